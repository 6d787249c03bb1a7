// Counts what one operation of the server costs: instructions (callgrind) and system calls (strace), of
// its one worker and of the database writer apart. Both are counts, not times, so that a busy machine
// changes little. The numbers are held against budget.tsv. Run by budget.sh, which describes it.
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { eventually, pause } from '../e2e/support/limits.mjs';
import { freePort, removeFolder } from '../e2e/support/process.mjs';
import { LOOPBACK, Server, TIDETALK, makeHome } from '../e2e/support/server.mjs';
import { Upstream, word } from './budget_upstream.mjs';
import { IDLE_SECOND, MEAN_TURN, TURNS, compare, readTable, writeTable } from './budget_table.mjs';

const TIMES = 40; // of each operation, after WARM others
// A cycle of the collector costs two million instructions. Where an operation leaves little garbage, there
// are so few cycles that one more or less is seen in the mean: such operations are repeated more often.
const TIMES_OF = { 'v1-8': 320, 'v1-8-64k': 160, me: 160, list: 160, 'stream-64': 16 };
const WARM = 5;
const CALM_MS = 2400; // longer than the search index waits between two of its jobs
const SHORT_CALM_MS = 600; // after what stores no message
const STORES_NOTHING = ['livez', 'me', 'list', 'v1-8', 'v1-8-64k'];
const IDLE_MS = 8000; // what the server does by itself is measured so long
const REST_MS = 3; // from a token's arrival to the next one: the server has gone to sleep again
const SESSIONS = 20;
const QUESTION = 'Why are there two tides a day?';
const MODELS = ['whole-8', 'whole-64', 'step-1', 'step-8', 'step-64'];
const SETTINGS = {
  ...LOOPBACK, TIDETALK_WORKERS: '1', TIDETALK_LOG_LEVEL: 'warn', TIDETALK_LIMITS_SCRIPT_TIME: '10s',
  // valgrind counts `rep movsb` and `rep stosb` as an instruction for each byte, whose cost is a fraction of
  // one: with this, copies and clears are counted as the vector instructions of short ones.
  GLIBC_TUNABLES: ['movsb', 'stosb'].map((rep) => `glibc.cpu.x86_rep_${rep}_threshold=1073741824`).join(':'),
  MALLOC_ARENA_MAX: '4', // one per thread that matters: by default it depends on the number of cores
};

// ---- operations ----

/** One client over one connection: `operations` are what the table's lines measure. */
class Caller {
  #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  #made = 0;

  constructor(port, { token, reader, upstream }) {
    Object.assign(this, { port, token, reader, upstream });
  }

  close() { this.#agent.destroy(); }

  /** Asks and checks that the answer is 200; `seen` gets all text so far each time more arrives. */
  ask(method, path, body, { token = this.token, seen = () => {} } = {}) {
    const sent = body && JSON.stringify(body);
    const headers = { Authorization: `Bearer ${token}` };
    if (sent) Object.assign(headers, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(sent) });
    return new Promise((done, failed) => {
      request({ host: '127.0.0.1', port: this.port, agent: this.#agent, method, path, headers }, (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (piece) => { seen(text += piece); });
        answer.on('end', () => (answer.statusCode === 200 ? done(text) : failed(new Error(`${path}: ${text}`))));
        answer.on('error', failed);
      }).on('error', failed).end(sent);
    });
  }

  #turn(model) {
    this.#made += 1;
    return { session_id: `${model}-${this.#made}`, model_name: model, message: QUESTION };
  }

  chat(tokens) { return this.ask('POST', '/api/chat/message', this.#turn(`whole-${tokens}`)); }

  /** The upstream sends a token when the one before has arrived here. */
  async stream(tokens) {
    let arrived = 0;
    const text = await this.ask('POST', '/api/chat/message/stream', this.#turn(`step-${tokens}`), {
      seen: (all) => {
        if (arrived === tokens || !all.includes(word(arrived))) return;
        arrived += 1;
        setTimeout(() => this.upstream.release(), REST_MS);
      },
    });
    if (arrived !== tokens) throw new Error(`${arrived} of ${tokens} tokens came:\n${text}`);
  }

  completion(kib) {
    const before = Array.from({ length: kib }, () => ({ role: 'user', content: 'tide '.repeat(200) }));
    return this.ask('POST', '/v1/chat/completions', {
      model: 'whole-8', messages: [...before, { role: 'user', content: QUESTION }],
    });
  }
}

const OPERATIONS = {
  livez: (caller) => caller.ask('GET', '/livez'),
  me: (caller) => caller.ask('GET', '/api/me'),
  list: (caller) => caller.ask('GET', '/api/chat/sessions', undefined, { token: caller.reader }),
  'chat-8': (caller) => caller.chat(8),
  'chat-64': (caller) => caller.chat(64),
  'stream-1': (caller) => caller.stream(1),
  'stream-8': (caller) => caller.stream(8),
  'stream-64': (caller) => caller.stream(64),
  'v1-8': (caller) => caller.completion(0),
  'v1-8-64k': (caller) => caller.completion(64),
};

/** Lines that are computed: their numbers are differences of others, by so many pieces. */
const DIFFERENCES = {
  'chat token': ['chat-64', 'chat-8', 56],
  'stream token': ['stream-64', 'stream-8', 56],
  'v1 KiB': ['v1-8-64k', 'v1-8', 64],
};

// ---- the server ----

/** An upstream, and a data folder with a user of all its models and one with 20 sessions. */
async function prepare() {
  const upstream = await new Upstream().start();
  const port = await freePort();
  const home = makeHome({ port, env: SETTINGS });
  const server = await new Server(home, port).start();
  const user = await server.user('talker');
  for (const model of MODELS) {
    await user.ok('POST', '/api/user/apis', {
      api_name: model, model_name: model, api_key: 'sk-budget-0123456789', base_url: `${upstream.url}/${model}/v1`,
    });
  }
  const reader = await server.user('reader');
  for (let i = 0; i < SESSIONS; i += 1) await reader.ok('POST', '/api/chat/session', { model_name: 'demo' });
  await server.stop();
  return { home, port, upstream, token: user.token, reader: reader.token };
}

/** The server on that data folder, under a tool. */
async function startUnder(tool, { home, port }) {
  home.command = [...tool(home.folder), TIDETALK];
  return new Server(home, port).start();
}

/** CPU time of the server so far, in clock ticks. */
function cpuTicks(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

/** Until the server does nothing any more: the search index is written after the turns. */
async function calm(pid, ms = CALM_MS) {
  await eventually(async () => {
    const before = cpuTicks(pid);
    await pause(ms);
    return cpuTicks(pid) - before <= 2;
  }, 'the server has nothing left to do');
}

const timesOf = (name) => TIMES_OF[name] ?? TIMES;
const sumOf = (names, value) => names.reduce((sum, name) => sum + value(name), 0);

/** Measures an idle second and all operations: `begin` and `end` surround them, `end` returns {worker, writer}. */
async function measure(server, prepared, { begin, end }) {
  const caller = new Caller(server.port, prepared);
  const results = {};
  let began;
  const beginWatched = () => {
    began = performance.now();
    begin();
  };
  /** How much it was since then, without what the server does by itself in that time. */
  const endWatched = () => {
    const seconds = (performance.now() - began) / 1000;
    const idle = results[IDLE_SECOND] ?? { worker: 0, writer: 0 };
    const did = end();
    return { seconds, worker: did.worker - seconds * idle.worker, writer: did.writer - seconds * idle.writer };
  };
  await calm(server.pid);
  beginWatched();
  await pause(IDLE_MS);
  const { seconds, worker, writer } = endWatched();
  results[IDLE_SECOND] = { worker: worker / seconds, writer: writer / seconds };
  for (const [name, operation] of Object.entries(OPERATIONS)) {
    const calmMs = STORES_NOTHING.includes(name) ? SHORT_CALM_MS : CALM_MS;
    for (let i = 0; i < WARM; i += 1) await operation(caller);
    await calm(server.pid, calmMs);
    const times = timesOf(name);
    beginWatched();
    for (let i = 0; i < times; i += 1) await operation(caller);
    await calm(server.pid, calmMs);
    const did = endWatched();
    results[name] = { worker: Math.max(0, did.worker / times), writer: Math.max(0, did.writer / times) };
  }
  results[MEAN_TURN] = Object.fromEntries(['worker', 'writer'].map(
    (thread) => [thread, sumOf(TURNS, (name) => results[name][thread] * timesOf(name)) / sumOf(TURNS, timesOf)],
  ));
  for (const [name, [more, less, pieces]] of Object.entries(DIFFERENCES)) {
    results[name] = Object.fromEntries(['worker', 'writer'].map(
      (thread) => [thread, Math.max(0, (results[more][thread] - results[less][thread]) / pieces)],
    ));
  }
  caller.close();
  await server.stop();
  removeFolder(server.home.folder);
  return results;
}

// ---- instructions ----

const callgrind = (folder) => ['valgrind', '--tool=callgrind', '--separate-threads=yes',
  `--callgrind-out-file=${join(folder, 'profile')}`];

/** A profile of each thread is in a file of its own: the writer's has its main function. */
function instructions(folder, number) {
  const totals = { worker: 0, writer: 0 };
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(`profile.${number}-`)) continue;
    const text = readFileSync(join(folder, name), 'utf8');
    const count = Number(/^totals: (\d+)/m.exec(text)[1]);
    if (/\) writer_main$/m.test(text)) totals.writer = count;
    else totals.worker = Math.max(totals.worker, count); // the only busy one of the others
  }
  return totals;
}

async function countInstructions() {
  const prepared = await prepare();
  const server = await startUnder(callgrind, prepared);
  const tell = (command) => execFileSync('vgdb', [`--pid=${server.pid}`, command], { stdio: 'ignore' });
  let dumps = 0;
  return measure(server, prepared, {
    begin: () => tell('zero'),
    end: () => {
      tell('dump');
      dumps += 1;
      return instructions(server.home.folder, dumps);
    },
  });
}

// ---- system calls ----

const strace = (folder) => ['strace', '-D', '-f', '-q', '-o', join(folder, 'calls')];

/** The thread ids of the worker and of the writer. */
function threadsOf(pid) {
  const ids = {};
  for (const id of readdirSync(`/proc/${pid}/task`)) {
    const name = readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8').trim();
    if (name === 'tt-worker-0') ids.worker = id;
    if (name === 'tt-db-writer') ids.writer = id;
  }
  return ids;
}

async function countCalls() {
  const prepared = await prepare();
  const server = await startUnder(strace, prepared);
  const ids = threadsOf(server.pid);
  const read = () => readFileSync(join(server.home.folder, 'calls'), 'latin1');
  let from = 0;
  return measure(server, prepared, {
    begin: () => { from = read().length; },
    end: () => {
      const lines = read().slice(from).split('\n');
      const of = (id) => lines.filter((line) => new RegExp(`^${id} +\\w+\\(`).test(line)).length;
      return { worker: of(ids.worker), writer: of(ids.writer) };
    },
  });
}

// ---- the table ----

/** What the numbers depend on, apart from the program itself. */
function versions() {
  const first = (program, ...args) => execFileSync(program, args, { encoding: 'utf8' }).split('\n')[0];
  const libraries = execFileSync(TIDETALK, ['version'], { encoding: 'utf8' }).trim().split('\n').slice(1);
  const flags = /^flags.*$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[0].split(' ') ?? [];
  const cpu = ['sse4_2', 'avx2', 'erms', 'avx512f'].filter((flag) => flags.includes(flag));
  return [...libraries, first('cc', '--version'), first('ldd', '--version'), first('valgrind', '--version'),
    `${process.arch} ${cpu.join(' ')}`].join('; ');
}

const [path, record] = process.argv.slice(2);
const [ir, calls] = await Promise.all([countInstructions(), countCalls()]);
const rows = Object.keys(ir).map((name) => ({
  name,
  worker: Math.round(ir[name].worker),
  writer: Math.round(ir[name].writer),
  calls: Number((calls[name].worker + calls[name].writer).toFixed(1)),
}));
if (record) writeFileSync(path, writeTable(versions(), rows));
process.exit(compare(readTable(readFileSync(path, 'utf8')), versions(), rows) ? 0 : 1);
