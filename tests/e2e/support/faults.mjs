// Faults of the disk: tests/faults/io_faults.c in a program, by LD_PRELOAD.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { TIDETALK } from './server.mjs';

const LIBRARY = join(dirname(TIDETALK), 'tests', 'io_faults.so');
export const hasFaults = existsSync(LIBRARY);

/** The environment in which the `at`-th operation on files below `folder` meets the fault (EIO, ENOSPC,
 * KILL), and `lasting - 1` more after it. The sanitizers want to be loaded first, and need not be. */
export const faultAt = (folder, fault, at, { lasting = 1 } = {}) => ({
  LD_PRELOAD: LIBRARY,
  ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ''}:verify_asan_link_order=0`,
  TT_IO_UNDER: folder,
  TT_IO_FAULT: fault,
  TT_IO_AT: String(at),
  TT_IO_FOR: String(lasting),
  TT_IO_COUNT: join(dirname(folder), 'io_count'),
});

/** The environment in which the disk takes nothing but the write-ahead log while the file `hold` exists. */
export const slowDisk = (folder, hold) => ({ ...faultAt(folder, 'EIO', 0), TT_IO_HOLD: hold });

/** How many operations there were in the last program that was started with faultAt. */
export const operations = (folder) => Number(readFileSync(join(dirname(folder), 'io_count'), 'utf8'));
