// tsan
// covers: tide, script, upstream
// What handlers do with tide.http, tide.task and tide.shared, in a real server with two workers.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, describe } from 'node:test';
import { Bundle, appScript } from './support/bundle.mjs';
import { eventually, test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

/** Routes that ask `origin`. */
const routes = (origin) => `
  { method = "GET", path = "/ask", auth = "none", handler = function(req)
    local answer, err = require("tide.http").request({
      url = "${origin}" .. req.query.path, method = "POST", body = "tide",
      headers = { Authorization = { "Bearer ", "sk-very-secret" } },
      timeout_ms = tonumber(req.query.ms or "60000") | 0, disconnect = req.query.disconnect,
    })
    if not answer then
      return { status = err.status, json = { code = err.code } }
    end
    return { json = { status = answer.status, body = answer.body, type = answer.headers["x-echo"] } }
  end },
  { method = "GET", path = "/both", auth = "none", handler = function()
    local http, task = require "tide.http", require "tide.task"
    local function ask(path)
      return function()
        local answer, err = http.request({ url = "${origin}" .. path, timeout_ms = 60000 })
        if not answer then return nil, err end
        if answer.status ~= 200 then return nil, { code = "busy" } end
        return answer.body
      end
    end
    local results, err = task.all({ ask("/pair/a"), ask("/pair/b") })
    if not results then return { status = 503, json = { code = err.code } } end
    local failed, why = task.all({ ask("/hang"), ask("/error") })
    return { json = { results = results, failed = failed == nil, code = why and why.code } }
  end },
  { method = "GET", path = "/incr", auth = "none", handler = function()
    return { json = { n = require("tide.shared").dict("hits"):incr("n") } }
  end },`;

/** An upstream of the test's own: it answers /pair only when both have come, and never /hang. */
function startUpstream() {
  const seen = { hanging: 0, closed: 0, keys: [] };
  const waiting = [];
  const server = createServer((request, response) => {
    let body = '';
    seen.keys.push(request.headers.authorization);
    request.on('data', (piece) => { body += piece; });
    request.on('end', () => {
      if (request.url.startsWith('/pair/')) {
        waiting.push(() => response.end(request.url.slice(6)));
        if (waiting.length === 2) waiting.splice(0).forEach((answer) => answer());
      } else if (request.url === '/hang') {
        seen.hanging += 1;
        response.on('close', () => { seen.closed += 1; });
      } else if (request.url === '/error') {
        response.writeHead(500).end();
      } else {
        response.writeHead(201, { 'X-Echo': request.method }).end(body);
      }
    });
  });
  return new Promise((done) => {
    server.listen(0, '127.0.0.1', () => done({
      seen, letGo: () => server.closeAllConnections(), origin: `http://127.0.0.1:${server.address().port}`,
      stop: () => { server.closeAllConnections(); server.close(); },
    }));
  });
}

/** A server whose scripts ask an upstream of their own. */
function withScripts(env) {
  const bundle = new Bundle();
  let upstream;
  before(async () => {
    upstream = await startUpstream();
    bundle.put('app.lua', appScript({ routes: routes(upstream.origin) }));
    context.upstream = upstream;
  });
  after(() => upstream.stop());
  const context = withServer({ env: { ...env, ...bundle.env } });
  return context;
}

describe('modules in handlers', () => {
  const context = withScripts(LOOPBACK);

  test('a handler asks another server, and its key is in no log', async () => {
    const answer = await context.server.client().get('/ask?path=/echo');
    assert.deepEqual(answer.body, { status: 201, body: 'tide', type: 'POST' });
    assert.equal(context.upstream.seen.keys.at(-1), 'Bearer sk-very-secret');
    assert.ok(!context.server.log().includes('very-secret'));
  });

  test('what takes too long ends with outbound_timeout', async () => {
    const answer = await context.server.client().get('/ask?path=/hang&ms=100');
    assert.deepEqual([answer.status, answer.body], [504, { code: 'outbound_timeout' }]);
  });

  test('several requests run at the same time, and one that fails ends the others', async () => {
    const { closed } = context.upstream.seen;
    const answer = await context.server.client().get('/both');
    assert.deepEqual(answer.body, { results: ['a', 'b'], failed: true, code: 'busy' });
    await eventually(() => context.upstream.seen.closed > closed, 'the other request is closed');
  });

  test('a client that leaves ends the request that its handler made, if it was to', async () => {
    await eventually(() => context.upstream.seen.closed === context.upstream.seen.hanging, 'nothing else runs');
    const { hanging, closed } = context.upstream.seen;
    const leave = async (disconnect) => {
      const leaving = new AbortController();
      const url = `${context.server.url}/ask?path=/hang&disconnect=${disconnect}`;
      const asked = fetch(url, { signal: leaving.signal }).catch((error) => error.name);
      const before = context.upstream.seen.hanging;
      await eventually(() => context.upstream.seen.hanging > before, 'the upstream is asked');
      leaving.abort();
      assert.equal(await asked, 'AbortError');
    };
    await leave('detach');
    await leave('cancel');
    await eventually(() => context.upstream.seen.closed > closed, 'the upstream is let go of');
    assert.deepEqual([context.upstream.seen.hanging, context.upstream.seen.closed], [hanging + 2, closed + 1]);
    context.upstream.letGo();
  });

  test('all workers count in one dictionary', async () => {
    const answers = await Promise.all(
      Array.from({ length: 60 }, () => context.server.client().get('/incr')),
    );
    const numbers = answers.map((answer) => answer.body.n).sort((a, b) => a - b);
    assert.deepEqual(numbers, Array.from({ length: 60 }, (_, i) => i + 1));
  });
});

describe('without allowed addresses', () => {
  const context = withScripts({});

  test('scripts reach inner addresses as little as users do', async () => {
    const answer = await context.server.client().get('/ask?path=/echo');
    assert.deepEqual([answer.status, answer.body], [422, { code: 'address_not_allowed' }]);
    assert.deepEqual(context.upstream.seen.keys, []);
  });
});
