// A real Redis of the test's own, on a port that stays the same over its restarts.
import assert from 'node:assert/strict';
import { eventually, within } from './limits.mjs';
import { freePort, run, start } from './process.mjs';

const SERVER = process.env.REDIS_SERVER_BIN ?? 'redis-server';
const CLI = process.env.REDIS_CLI_BIN ?? 'redis-cli';

export class Redis {
  #child;

  constructor(port, password) {
    this.port = port;
    this.password = password;
    this.url = `redis://${password ? `:${password}@` : ''}127.0.0.1:${port}`;
  }

  async start() {
    const args = ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    if (this.password) args.push('--requirepass', this.password);
    this.#child = start(SERVER, args, { stdio: 'ignore' });
    await eventually(async () => (await this.#run(['PING'])).stdout === 'PONG\n', 'redis answers');
    return this;
  }

  #run(words) {
    const password = this.password ? ['--no-auth-warning', '-a', this.password] : [];
    return run(CLI, ['-p', String(this.port), ...password, '--raw', ...words]);
  }

  /** What redis-cli prints for a command. */
  async command(...words) {
    const { code, stdout, stderr } = await this.#run(words);
    assert.equal(code, 0, stderr);
    return stdout;
  }

  async keys() {
    return (await this.command('KEYS', '*')).split('\n').filter(Boolean);
  }

  /** All keys and values, as text. */
  async dump() {
    const keys = await this.keys();
    const values = await Promise.all(keys.map((key) => this.command('GET', key)));
    return keys.map((key, i) => `${key} ${values[i]}`).join('\n');
  }

  freeze() { this.#child.kill('SIGSTOP'); }

  thaw() { this.#child.kill('SIGCONT'); }

  async kill() {
    this.#child.kill('SIGKILL');
    await within(this.#child.exited, 'redis is killed');
  }
}

export const startRedis = async ({ password } = {}) => new Redis(await freePort(), password).start();
