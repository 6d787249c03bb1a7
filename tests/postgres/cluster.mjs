// Servers of PostgreSQL of a test's own, beside the one of run.sh: with other settings, with TLS, as
// standbys. Each has a folder in /tmp, which its user may enter, and is ended by its process.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, within } from '../e2e/support/limits.mjs';
import { freePort, nextLogPath } from '../e2e/support/process.mjs';

const VERSIONS = '/usr/lib/postgresql';
const BIN = join(VERSIONS, readdirSync(VERSIONS).sort((a, b) => a - b).at(-1), 'bin');
const IS_ROOT = process.getuid() === 0; // it refuses to run as root
const AS = IS_ROOT ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups', '--reset-env'] : [];

const clusters = new Set();
process.on('exit', () => { for (const cluster of clusters) cluster.end(); });

function run(command, words, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, words, { encoding: 'utf8', cwd: '/', ...options });
  assert.ifError(error);
  assert.equal(status, 0, `${command}: ${stderr}${stdout}`);
  return stdout.trimEnd();
}

export class Cluster {
  #child;

  constructor(port, password) {
    this.folder = mkdtempSync('/tmp/tt_cluster.');
    this.data = join(this.folder, 'data');
    this.port = port;
    this.password = password;
    this.log = nextLogPath();
    clusters.add(this);
  }

  /** A new one, with these lines in its configuration. */
  static async make(lines = []) {
    const cluster = new Cluster(await freePort(), randomBytes(8).toString('hex'));
    cluster.write('password', `${cluster.password}\n`);
    cluster.#asOwner(join(BIN, 'initdb'), [`--pgdata=${cluster.data}`, '--username=tidetalk', `--pwfile=${join(cluster.folder, 'password')}`,
      '--auth-host=scram-sha-256', '--auth-local=reject', '--encoding=UTF8', '--locale=C.UTF-8', '--no-sync']);
    cluster.configure(["listen_addresses = '127.0.0.1'", "unix_socket_directories = ''", 'max_connections = 60',
      'shared_buffers = 16MB', 'fsync = off', 'full_page_writes = off', ...lines]);
    return cluster;
  }

  /** A standby of this one, under the name of `applicationName`, which is running. */
  async standby(applicationName, lines = []) {
    const standby = new Cluster(await freePort(), this.password);
    standby.#asOwner(join(BIN, 'pg_basebackup'), [`--pgdata=${standby.data}`, '--checkpoint=fast', '--no-sync', '--write-recovery-conf',
      `--dbname=postgres://tidetalk:${this.password}@127.0.0.1:${this.port}/postgres?application_name=${applicationName}`]);
    standby.configure(lines);
    return standby;
  }

  #asOwner(command, words) {
    if (IS_ROOT) run('chown', ['-R', 'postgres:', this.folder]);
    run(AS[0] ?? command, [...AS.slice(1), ...(AS.length ? [command] : []), ...words]);
  }

  /** Writes a file of the cluster, which only its user may read. */
  write(name, text) {
    writeFileSync(join(this.folder, name), text, { mode: 0o600 });
    if (IS_ROOT) run('chown', ['postgres:', join(this.folder, name)]);
  }

  copy(from, name) { this.write(name, readFileSync(from)); }

  configure(lines) {
    appendFileSync(join(this.data, 'postgresql.conf'), `port = ${this.port}\n${lines.join('\n')}\n`);
  }

  async start() {
    const log = openSync(this.log, 'a');
    const command = [...AS, join(BIN, 'postgres'), '-D', this.data];
    this.#child = spawn(command[0], command.slice(1), { cwd: '/', stdio: ['ignore', log, log] });
    closeSync(log);
    let ended = false;
    this.#child.exited = once(this.#child, 'exit').then(() => { ended = true; });
    await eventually(() => {
      if (ended) throw new Error(`PostgreSQL ended:\n${readFileSync(this.log, 'utf8').slice(-2000)}`);
      return existsSync(join(this.data, 'postmaster.pid'))
        && /^(ready|standby)/.test(readFileSync(join(this.data, 'postmaster.pid'), 'utf8').split('\n')[7] ?? '');
    }, 'PostgreSQL is ready');
    return this;
  }

  url(database, more = '') { return `postgres://tidetalk:${this.password}@127.0.0.1:${this.port}/${database}${more}`; }

  sql(text, database = 'postgres') { return run('psql', ['-qAtX', '-v', 'ON_ERROR_STOP=1', this.url(database), '-c', text]); }

  promote() { this.sql('SELECT pg_promote(true)'); }

  /** SIGQUIT: at once, as if the machine had failed; SIGINT: in order. */
  async stop(signal = 'SIGINT') {
    if (!this.#child) return;
    this.#child.kill(signal);
    await within(this.#child.exited, 'PostgreSQL ends');
    this.#child = undefined;
  }

  /** The postmaster and all of its processes, without a word to anybody. */
  async kill() {
    const { pid } = this.#child;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
    for (const each of [pid, ...children.map(Number)]) process.kill(each, 'SIGKILL');
    await within(this.#child.exited, 'PostgreSQL is killed');
    this.#child = undefined;
  }

  end() {
    this.#child?.kill('SIGQUIT');
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
    clusters.delete(this);
  }

  async remove() {
    await this.stop('SIGQUIT');
    this.end();
  }
}
