// tsan
// plugins
// covers: app/reload, serve, script, base
// Reloads under load: what clients see while scripts change all the time, and what is left after it.
// A thread sanitizer runs some ten times slower: fewer reloads then. TIDETALK_E2E_RELOADS sets how many.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { describe } from 'node:test';
import { adminText, statusOf } from './support/admin.mjs';
import { Bundle, appScript, helperScript, reloaded } from './support/bundle.mjs';
import { readExposition } from './support/exposition.mjs';
import { ask } from './support/kept_alive.mjs';
import { HANG_MS, eventually, test } from './support/limits.mjs';
import { describeWithoutPlugins } from './support/plugin_variant.mjs';
import { makeFolder } from './support/process.mjs';
import { copyScripts, nameHook, writeScript } from './support/scripts.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

const TSAN = process.env.SANITIZER === 'tsan';
const RELOADS = Number(process.env.TIDETALK_E2E_RELOADS || (TSAN ? 200 : 1000));
const LIMIT_MS = HANG_MS + RELOADS * (TSAN ? 200 : 50);
const RELOADS_STREAMED = TSAN ? 15 : 50;

const get = (server, agent, path) => ask(server, agent, { path });

/** Every counter of /metrics, by its series. */
async function countersOf(server) {
  const { text } = await adminText(server, 'GET', '/metrics');
  const families = [...readExposition(text).values()].filter(({ type }) => type === 'counter');
  return new Map(families.flatMap(({ samples }) =>
    samples.map(({ name, labels, value }) => [`${name} ${JSON.stringify(labels)}`, value])));
}

function memoryOf(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)[1]);
}

/** Asks without a pause, on connections of its own, until it is told to stop. */
class Load {
  #agent = new Agent({ keepAlive: true, maxSockets: 8 });
  #stopping = false;
  answers = 0;

  constructor(server, path, check) {
    const one = async () => {
      while (!this.#stopping) {
        check(await get(server, this.#agent, path));
        this.answers += 1;
      }
    };
    this.clients = Promise.all(Array.from({ length: 8 }, one));
    this.clients.catch(() => { this.#stopping = true; });
  }

  async stop() {
    this.#stopping = true;
    await this.clients;
    this.#agent.destroy();
  }
}

describe('a reload storm', () => {
  // Two files, and one that waits in between, so that a mixture would show.
  const bundle = new Bundle({
    'app.lua': appScript({ routes: `
      { method = "GET", path = "/pair", auth = "none", handler = function()
        local first = require("lib.helper").version
        time.sleep(1)
        return { json = { first = first, app = helper.app, other = require("lib.other").version } }
      end },
      { method = "GET", path = "/keep", auth = "none", handler = function()
        require("tide.shared").dict("kept"):set("word", "before")
        require("tide.cache").put("kept", 1, "cached", 600000)
        return { json = {} }
      end },
      { method = "GET", path = "/kept", auth = "none", handler = function()
        return { json = { word = require("tide.shared").dict("kept"):get("word"),
          cached = require("tide.cache").get("kept", 1) } }
      end },` }),
    'lib/other.lua': helperScript(1),
  });
  const context = withServer({
    env: { ...bundle.env, ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ''}:quarantine_size_mb=8` },
  });
  let version = 1;

  async function change(server, options) {
    version += 1;
    bundle.put('lib/helper.lua', helperScript(version), options);
    bundle.put('lib/other.lua', helperScript(version));
    const answer = await reloaded(server);
    assert.equal(answer.unchanged, false);
  }

  test(`P1 under load with ${RELOADS} reloads no response mixes two versions`, { timeout: LIMIT_MS }, async () => {
    const { server } = context;
    const seen = new Set();
    const load = new Load(server, '/pair', (answer) => {
      assert.equal(answer.status, 200, answer.text);
      const { first, app, other } = JSON.parse(answer.text);
      assert.ok(first === app && app === other, `mixed: ${answer.text}`);
      seen.add(answer.generation);
    });
    try {
      for (let i = 0; i < RELOADS; i += 1) await change(server);
    } finally {
      await load.stop();
    }
    assert.ok(load.answers > 100, `${load.answers} answers`);
    assert.ok(seen.size > 20, `${seen.size} generations answered`);
  });

  test(`P15 after ${RELOADS} reloads memory is back within 5 %, one generation left`, { timeout: LIMIT_MS }, async () => {
    const { server } = context;
    const settled = () => eventually(async () =>
      (await statusOf(server)).generations_live === 1, 'old states are closed');
    await settled();
    const before = memoryOf(server.pid);
    // What migrations add to the data is there for good.
    for (let i = 0; i < RELOADS; i += 1) await change(server, { migrate: false });
    await settled();
    const after = memoryOf(server.pid);
    // The thread sanitizer's own bookkeeping grows with the time.
assert.ok(TSAN || after <= before * 1.05, `${before} kB before, ${after} kB after`);
  });

  test('P17 pools, caches, counters and connections survive', async () => {
    const { server } = context;
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    await get(server, agent, '/keep');
    const kept = await get(server, agent, '/kept');
    assert.deepEqual(JSON.parse(kept.text), { word: 'before', cached: 'cached' });
    const before = await statusOf(server);
    assert.ok(before.cache.entries > 0 && before.cache.hits > 0);
    const counters = await countersOf(server);
    const [socket] = Object.values(agent.freeSockets).flat();
    assert.ok(socket, 'the connection is kept');
    await change(server);
    const reloadedOnly = await statusOf(server);
    assert.equal(reloadedOnly.cache.entries, before.cache.entries);
    assert.equal(reloadedOnly.cache.hits, before.cache.hits);
    const answer = await get(server, agent, '/version');
    assert.deepEqual(JSON.parse(answer.text), { app: version, helper: version });
    const still = await get(server, agent, '/kept');
    assert.equal(still.generation, answer.generation);
    assert.deepEqual(JSON.parse(still.text), { word: 'before', cached: 'cached' });
    assert.equal(Object.values(agent.freeSockets).flat()[0], socket, 'and still the same');
    agent.destroy();
    const after = await statusOf(server);
    assert.equal(after.cache.entries, before.cache.entries);
    assert.equal(after.cache.hits, before.cache.hits + 1, 'found again');
    assert.ok(after.uptime_ms >= before.uptime_ms);
    assert.ok(after.database.commits > before.database.commits, 'the writer counts on');
    const counted = await countersOf(server);
    for (const [series, value] of counters) assert.ok(counted.get(series) >= value, series);
  });
});

describeWithoutPlugins('streams across reloads', () => {
  const lua = copyScripts(makeFolder());
  const context = withServer({ env: { ...LOOPBACK, TIDETALK_LUA_DIR: lua }, mock: true });

  test(`P4 a stream across ${RELOADS_STREAMED} reloads is byte-identical`, async () => {
    const { server, mock } = context;
    const client = await server.user();
    const model = await client.model(mock.url('tokens=300,pace=60'));
    const plain = await client.model(mock.url('tokens=300'));
    const expected = await client.say(plain, 'session_plain', 'Tell me');
    const streams = await Promise.all(Array.from({ length: 3 }, (_, i) =>
      client.open(model, `session_stream_${i}`, 'Tell me')));
    const ended = streams.map((stream) => stream.end());
    let over = false;
    Promise.allSettled(ended).then(() => { over = true; });
    let during = 0;
    for (let i = 0; i < RELOADS_STREAMED; i += 1) {
      writeScript(lua, 'lib/marker.lua', `return ${i}\n`);
      await reloaded(server);
      if (!over) during += 1;
    }
    await Promise.all(ended);
    for (const stream of streams) {
      assert.equal(stream.text, expected.response);
      assert.equal(stream.last.finish_reason, 'stop');
    }
    assert.ok(during >= RELOADS_STREAMED / 5, `${during} reloads while the streams ran`);
    // The next turn goes on with what was stored.
    await client.say(plain, 'session_stream_0', 'And now');
    assert.equal((await client.messages('session_stream_0')).length, 4);
  });

  test('P17 a turn after a reload goes over the pooled connection of the turn before it', async () => {
    const { server, mock } = context;
    const client = await server.user();
    const model = await client.model(mock.url('tokens=4'));
    const agent = new Agent({ keepAlive: true, maxSockets: 1 }); // one connection is one worker
    const turn = async () => {
      const answer = await ask(server, agent, {
        method: 'POST', path: '/api/chat/message',
        headers: { Authorization: `Bearer ${client.token}`, 'Content-Type': 'application/json' },
      }, JSON.stringify({ session_id: 'session_pooled', model_name: model, message: 'Go on' }));
      assert.equal(answer.status, 200, answer.text);
      const [asked] = await mock.requests(1);
      return { ...answer, upstream: asked.connection, connections: (await mock.stats()).connections };
    };
    const before = await turn();
    writeScript(lua, 'lib/marker.lua', 'return "pooled"\n');
    await reloaded(server);
    const after = await turn();
    agent.destroy();
    assert.notEqual(after.generation, before.generation);
    assert.equal(after.upstream, before.upstream);
    assert.equal(after.connections, before.connections);
  });

  test('P4 a filter of the text goes on in the code that the stream began with', async () => {
    const { server, mock } = context;
    const upper = 'return { on_delta = function() return function(text) return text:upper() end end }\n';
    nameHook(lua, 'shape');
    writeScript(lua, 'hooks/shape.lua', upper);
    await reloaded(server);
    const client = await server.user();
    const model = await client.model(mock.url('tokens=40,pace=60'));
    const stream = await client.open(model, 'session_filter', 'Tell me');
    const ended = stream.end();
    for (let i = 0; i < 4; i += 1) {
      writeScript(lua, 'hooks/shape.lua', upper.replace('text:upper()', `"${i}"`));
      await reloaded(server);
    }
    const other = await client.stream(model, 'session_filter_other', 'Tell me');
    await ended;
    assert.ok(stream.text.length > 40);
    assert.equal(stream.text, stream.text.toUpperCase());
    assert.notEqual(stream.text, stream.text.toLowerCase());
    assert.match(other.text, /^3+$/);
    writeScript(lua, 'hooks/shape.lua', 'return {}\n');
    await reloaded(server);
  });

  test('P1 no turn fails while scripts change, and each is stored whole', async () => {
    const { server, mock } = context;
    let over = false;
    const talk = async (n) => {
      const client = await server.user();
      const model = await client.model(mock.url('tokens=8'));
      const session = `session_talk_${n}`;
      let turns = 0;
      while (!over) {
        if (turns % 2) await client.stream(model, session, 'Go on');
        else await client.say(model, session, 'Go on');
        turns += 1;
      }
      const messages = await client.messages(session);
      assert.ok(messages.every((message) => message.status === 'complete'));
      assert.equal(messages.length, Math.min(100, 2 * turns));
      return turns;
    };
    const talks = Promise.all(Array.from({ length: 4 }, (_, n) => talk(n)));
    talks.catch(() => { over = true; });
    for (let i = 0; i < RELOADS_STREAMED / 3 && !over; i += 1) {
      writeScript(lua, 'lib/marker.lua', `return "talk ${i}"\n`);
      await reloaded(server);
    }
    over = true;
    assert.ok((await talks).every((turns) => turns > 0));
    await eventually(async () => (await statusOf(server)).generations_live === 1, 'old states are closed');
  });
}, { timeout: HANG_MS * 4 });
