// tsan
// covers: serve, http, app, docs/plugins.md
// Streams of events that a plugin sends: their bytes, clients that do not read or leave, reloads, the end.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe } from 'node:test';
import { createParser } from 'eventsource-parser';
import { settled, statusOf, tasksOf } from './support/admin.mjs';
import { reloaded } from './support/bundle.mjs';
import { HANG_MS, eventually, test, within } from './support/limits.mjs';
import { RawConnection } from './support/raw.mjs';
import { startServer } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

const PLUGIN = `
local json, log = require "tide.json", require "tide.log"
local shared, time = require "tide.shared", require "tide.time"
local ended = shared.dict("ended")
local NAME = { fields = { { name = "name", type = "string", required = true } } }
local answers = {
  all = function(send, req)
    send({ comment = "hello", id = "a b", event = "tick", retry = 5, data = req:header("Last-Event-ID") })
    send("two\\nlines")
    send({ json = { text = "line\\nbreak", list = { 1, 2 }, raw = json.raw("[\\n\\n1,\\r2]") } })
    send(req:header("Last-Event-ID") .. req:cookie("seen"))
  end,
  polite = function(send)
    while send("tick") do time.sleep(5) end
    send({ event = "bye", data = VERSION })
  end,
  endless = function(send)
    local guard <close> = setmetatable({}, { __close = function() log.info("closed") end })
    while true do send("tick") time.sleep(5) end
  end,
  large = function(send)
    local text = ("x"):rep(100000)
    while send(text) do ended:incr("large", 1) end
  end,
  broken = function(send) send("one") error("no more") end,
}
return {
  api = 1,
  routes = {
    { method = "GET", path = "/events/:name", auth = "none", summary = "Events.", params = NAME,
      handler = function(req)
        return { events = function(send) return answers[req.params.name](send, req) end }
      end },
    { method = "GET", path = "/ended/:name", auth = "none", summary = "How often.", params = NAME,
      handler = function(req) return { json = { times = ended:get(req.params.name) or 0 } } end },
  },
}`;

/** Writes the plugin of a server; streams say which version they are of. */
function put(server, version) {
  const folder = join(server.home.folder, 'plugins/own');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'plugin.lua'), PLUGIN.replace('VERSION', `"${version}"`));
}

/** Reads events one by one, with a stock parser. */
async function* eventsOf(response) {
  const ready = [];
  const parser = createParser({ onEvent: (event) => ready.push(event) });
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    parser.feed(piece);
    yield* ready.splice(0);
  }
}

const open = (server, name, options) => server.client().fetch('GET', `/events/${name}`, undefined, options);

const timesOf = async (server, name) => (await server.client().ok('GET', `/ended/${name}`)).times;

describe('events of a plugin', () => {
  const context = withServer({});
  before(async () => {
    put(context.server, 'first');
    await reloaded(context.server);
  }, { timeout: HANG_MS });

  test('arrive as a stock parser reads them', async () => {
    const { server } = context;
    const response = await open(server, 'all', { headers: { 'Last-Event-ID': 'before', Cookie: 'seen=1' } });
    assert.equal(response.headers.get('content-type'), 'text/event-stream');
    const events = [];
    for await (const event of eventsOf(response)) events.push(event);
    assert.deepEqual(events.map(({ id, event, data }) => ({ id, event, data })), [
      { id: 'a b', event: 'tick', data: 'before' },
      { id: undefined, event: undefined, data: 'two\nlines' },
      { id: undefined, event: undefined, data: '{"list":[1,2],"raw":[  1, 2],"text":"line\\nbreak"}' },
      { id: undefined, event: undefined, data: 'before1' },
    ]);
    assert.equal((await server.client().request('HEAD', '/events/endless')).text, '');
  });

  test('a failure is the last event', async () => {
    const { server } = context;
    const { text } = await server.client().get('/events/broken');
    assert.match(text, /^data: one\n\nevent: error\ndata: \{"error":"[^"]+","code":"internal_error","request_id":"\w+"\}\n\n$/);
  });

  test('a client that does not read waits alone, and what it leaves ends', async () => {
    const { server } = context;
    const connection = new RawConnection(server.port);
    connection.socket.pause();
    connection.request('GET', '/events/large');
    let before = -1;
    await eventually(async () => {
      const now = await timesOf(server, 'large');
      const still = now > 0 && now === before;
      before = now;
      return still;
    }, 'the stream waits');
    assert.ok((await statusOf(server)).unread <= 300000, 'of it two events are held');
    const events = eventsOf(await open(server, 'polite'));
    assert.equal((await events.next()).value.data, 'tick', 'another one goes on');
    await events.return();
    connection.close();
    await settled(server);
  });

  test('when the client leaves, what the function holds is closed', async () => {
    const { server } = context;
    const connection = new RawConnection(server.port);
    connection.request('GET', '/events/endless');
    await connection.until((text) => text.includes('tick'));
    assert.equal(await tasksOf(server), 1);
    connection.close();
    await eventually(() => /\bclosed\b/.test(server.log()), 'it was closed');
    await settled(server);
  });

  test('a reload asks the streams of before to end, and whole events are sent until then', async () => {
    const { server } = context;
    const events = eventsOf(await open(server, 'polite'));
    assert.equal((await events.next()).value.data, 'tick');
    put(server, 'second');
    await reloaded(server);
    let last;
    for await (const event of events) last = event;
    assert.deepEqual([last.event, last.data], ['bye', 'first']);
    const again = eventsOf(await open(server, 'polite'));
    assert.equal((await again.next()).value.data, 'tick');
    assert.equal((await again.next()).value.data, 'tick', 'those of the new scripts go on');
    await again.return();
    await settled(server);
  });
});

describe('SIGTERM', () => {
  test('ends streams of events, those that do not end by themselves after the drain limit', async () => {
    const server = await startServer({ env: { TIDETALK_DRAIN: '1s' } });
    put(server, 'first');
    await reloaded(server);
    const polite = eventsOf(await open(server, 'polite'));
    const endless = eventsOf(await open(server, 'endless'));
    assert.equal((await polite.next()).value.data, 'tick');
    assert.equal((await endless.next()).value.data, 'tick');
    server.signal('SIGTERM');
    let last;
    for await (const event of polite) last = event;
    assert.equal(last.event, 'bye');
    for await (const event of endless) assert.equal(event.data, 'tick');
    assert.equal(await within(server.exited, 'the server ends'), 0);
    assert.doesNotMatch(server.log(), /worker stops with work left/);
    server.home.remove();
  });
});
