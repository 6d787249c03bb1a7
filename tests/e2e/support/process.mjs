// Programs under test: started with a clean environment, ended by their own pid, never left behind.
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HANG_MS, within } from './limits.mjs';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

const running = new Set();
const folders = new Set();

// A server that was killed just now may still be making files: then once more.
const remove = (folder) => rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });

// Also when a test file ends by an exception.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
  for (const folder of folders) remove(folder);
});

/** The first of these files of the checkout that exists. */
export function findProgram(fromEnvironment, candidates) {
  const found = fromEnvironment || candidates.map((p) => join(ROOT, p)).find(existsSync);
  if (!found) throw new Error(`not built: ${candidates.join(' or ')}`);
  return found;
}

export function makeFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'tidetalk-e2e-'));
  folders.add(folder);
  return folder;
}

export function removeFolder(folder) {
  remove(folder);
  folders.delete(folder);
}

let logCount = 0;

/** A new log file's path: <test>-<n>.log among the suite's logs. */
export function nextLogPath() {
  const folder = process.env.TEST_LOGS || join(ROOT, 'build', 'test-logs');
  const name = basename(process.argv[1] ?? 'e2e').replace(/(\.test)?\.mjs$/, '');
  mkdirSync(folder, { recursive: true });
  logCount += 1;
  return join(folder, `${name}-${logCount}.log`);
}

// Ports that no other suite takes meanwhile: scripts/suites.sh gives each a range of its own, below
// those that the system hands out to any connection.
let nextPort = Number(process.env.TEST_PORTS || randomInt(10_000, 32_000));

async function canListen(port) {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}

/** A port that nobody listens on right now. */
export async function freePort() {
  for (;;) {
    const port = nextPort;
    nextPort += 1;
    if (await canListen(port)) return port;
  }
}

/** Our environment without TIDETALK_* (a developer's settings must not reach the tests). */
function environment(more) {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('TIDETALK_'));
  return { ...Object.fromEntries(kept), ...more };
}

/** Starts a program; `exited` is a promise of its exit code or the signal's name. */
export function start(program, args, { env = {}, cwd, stdio }) {
  const child = spawn(program, args, { env: environment(env), cwd, stdio });
  running.add(child);
  child.unref(); // a test file that fails must end all the same; who waits for it has a timer
  child.exited = new Promise((done, failed) => {
    child.once('error', failed);
    child.once('exit', (code, signal) => done(code ?? signal));
  }).finally(() => running.delete(child));
  return child;
}

/** Runs a program to its end: {code, stdout, stderr}. */
export async function run(program, args, { env, cwd, input = '' } = {}) {
  const child = start(program, args, { env, cwd, stdio: ['pipe', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    child[name].setEncoding('utf8');
    child[name].on('data', (text) => {
      output[name] += text;
    });
  }
  child.stdin.on('error', () => {}); // it may end without reading
  child.stdin.end(input);
  const closed = once(child, 'close');
  try {
    const code = await within(child.exited, `${basename(program)} ${args.join(' ')}`, HANG_MS / 2);
    await closed;
    return { code, ...output };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}
