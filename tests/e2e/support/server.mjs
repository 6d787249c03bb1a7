// A server of the test's own: its data folder, port, personas and log.
import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { maybeInBytes } from './byte_proxy.mjs';
import { Client } from './client.mjs';
import { makeDatabase } from './databases.mjs';
import { HANG_MS, eventually, within } from './limits.mjs';
import { followReloads, reloadable } from './reloads.mjs';
import {
  ROOT, findProgram, freePort, makeFolder, nextLogPath, removeFolder, run, start,
} from './process.mjs';

export const TIDETALK = findProgram(process.env.TIDETALK_BIN, ['build/asan/tidetalk']);

// The first one speaks when nobody is named, the others show that a choice is really sent.
export const PERSONAS = [
  { name: '潮汐', content: '你是潮汐，一个测试用的人设。🌊' },
  { name: 'Plain', content: 'You are plain.' },
  { name: 'Other', content: 'You are the other one.' },
];

function writePersonas(folder) {
  const path = join(folder, 'style.yaml');
  // JSON strings are YAML strings.
  const lines = PERSONAS.map(
    (p) => `  - name: ${JSON.stringify(p.name)}\n    content: ${JSON.stringify(p.content)}\n`,
  );
  writeFileSync(path, `personas:\n${lines.join('')}`);
  return path;
}

// CPU time that a script may take: with sanitizers the same work costs several times as much.
const SCRIPT_TIME = { asan: '200ms', tsan: '1s' };

/** A folder with personas, and the environment that makes every command use it. `command`, when it
 * is set, starts the server in some other way; it must become the server (exec). `shared`: a database that
 * another home removes. */
export function makeHome({ port = 0, env = {}, shared } = {}) {
  const folder = makeFolder();
  const database = shared ?? makeDatabase(join(folder, 'data'));
  return {
    folder,
    database,
    dataDir: join(folder, 'data'),
    env: {
      TIDETALK_LISTEN: `127.0.0.1:${port}`,
      TIDETALK_DATA_DIR: join(folder, 'data'),
      TIDETALK_LUA_DIR: join(ROOT, 'lua'),
      TIDETALK_MIGRATIONS_DIR: join(ROOT, 'migrations'),
      TIDETALK_PERSONAS: writePersonas(folder),
      TIDETALK_WORKERS: '2',
      TIDETALK_DISK_RESERVE: '1MiB',
      TIDETALK_LIMITS_SCRIPT_TIME: SCRIPT_TIME[process.env.SANITIZER] ?? '50ms',
      ...(database.url && { TIDETALK_DATABASE_URL: database.url }),
      ...reloadable(folder),
      ...env,
    },
    remove: () => {
      removeFolder(folder);
      database.remove();
    },
  };
}

/** Runs `tidetalk` with these words; the current folder is the home's, so that nothing is found by
 * chance. */
export function tidetalk(home, args, { env = {}, input } = {}) {
  return run(TIDETALK, args, { env: { ...home.env, ...env }, cwd: home.folder, input });
}

export class Server {
  #child;
  #log;
  #port; // its own; `port` is that of the proxy when there is one

  constructor(home, port) {
    this.home = home;
    this.#port = port;
    this.#at(port);
  }

  #at(port) {
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
  }

  async start(args = []) {
    this.#log = nextLogPath();
    const log = openSync(this.#log, 'w');
    const [program, ...before] = this.home.command ?? [TIDETALK];
    this.#child = start(program, [...before, 'serve', ...args], {
      env: this.home.env, cwd: this.home.folder, stdio: ['ignore', log, log],
    });
    closeSync(log);
    let ended;
    this.#child.exited.then((code) => { ended = code; }, (error) => { ended = error; });
    await eventually(async () => {
      if (ended !== undefined) throw new Error(`the server ended (${ended}):\n${this.log()}`);
      const answer = await fetch(`http://127.0.0.1:${this.#port}/readyz`).catch(() => null);
      await answer?.arrayBuffer();
      return answer?.status === 200;
    }, 'the server is ready');
    if (this.port === this.#port) this.#at(await maybeInBytes(this.#port));
    followReloads(this, () => tidetalk(this.home, ['reload']));
    return this;
  }

  get pid() { return this.#child.pid; }
  get exited() { return this.#child.exited; }

  log() { return readFileSync(this.#log, 'utf8'); }

  client(options) { return new Client(this.url, options); }

  /** A new user, logged in. */
  async user(name, options) {
    const client = this.client(options);
    await client.register(name);
    return client;
  }

  signal(name) { this.#child.kill(name); }

  /** Orderly end: SIGTERM, and whatever it finds wrong on its way out (leaks) fails the test. */
  async stop() {
    this.signal('SIGTERM');
    const code = await within(this.exited, 'the server ends after SIGTERM', HANG_MS);
    assert.equal(code, 0, `the server ended with ${code}:\n${this.log().slice(-4000)}`);
  }

  async kill() {
    this.signal('SIGKILL');
    await within(this.exited, 'the server is killed');
  }
}

/** Starts a server with an own data folder. Another process may take the port between its choice and
 * its use; then another port is chosen. */
export async function startServer({ env = {}, args = [] } = {}) {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const home = makeHome({ port, env });
    try {
      return await new Server(home, port).start(args);
    } catch (error) {
      if (attempt === 3 || !/in use/.test(error.message)) throw error;
    }
  }
}

/** Settings under which users may configure the mock upstream's address. */
export const LOOPBACK = { TIDETALK_OUTBOUND_ALLOW: '127.0.0.0/8' };
