// Allocations of 16 KiB and more that fail in a server: tests/preload/failing_malloc.c.
import { closeSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { TIDETALK } from './server.mjs';

const WORDS = { every: 0, seen: 1, failed: 2 };

export class FailingMalloc {
  #fd;

  /** `file`: shared with the server, made here. */
  constructor(file) {
    writeFileSync(file, Buffer.alloc(16));
    this.#fd = openSync(file, 'r+');
    // The sanitizer's own malloc comes behind this one.
    const options = [process.env.ASAN_OPTIONS, 'verify_asan_link_order=0'].filter(Boolean).join(':');
    this.env = {
      FAILING_MALLOC: file,
      LD_PRELOAD: join(dirname(TIDETALK), 'tests', 'failing_malloc.so'),
      ASAN_OPTIONS: options,
    };
  }

  #read(word) {
    const bytes = Buffer.alloc(4);
    readSync(this.#fd, bytes, 0, 4, WORDS[word] * 4);
    return bytes.readUInt32LE();
  }

  #write(word, value) {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    writeSync(this.#fd, bytes, 0, 4, WORDS[word] * 4);
  }

  get failed() { return this.#read('failed'); }

  /** From now on every `n`th fails; 0: none. */
  fail(n) { this.#write('every', n); }

  close() { closeSync(this.#fd); }
}
