// sqlite
// covers: upstream, providers, chat
// Numbers that an upstream tells are bounded where they enter: what nobody can believe is estimated,
// and no reply, sum or header suffers from it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { ask } from './support/door.mjs';
import { test } from './support/limits.mjs';
import { LOOPBACK, makeHome, tidetalk } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

/** Texts of JSON that are no count of one request's tokens. */
const UNBELIEVABLE = ['1000000001', '9007199254740992', '9223372036854775807', '18446744073709551616', '1e308',
  '1e-308', '-1', '-9007199254740992', '1.5', '"7"', 'true', 'null', '[5]', '{}'];

const WAITS = ['86401', '9223372036854775807', 'Fri, 01 Jan 2100 00:00:00 GMT'];
const NO_WAITS = ['0', '-5', '0x10', 'NaN', 'soon', 'Thu, 01 Jan 1970 00:00:00 GMT'];

/** An upstream that says what its address's first part tells: {"tokens": text of JSON} or {"wait": text}. */
async function startTeller() {
  const server = createServer(async (request, response) => {
    await request.toArray();
    const { tokens, wait } = JSON.parse(Buffer.from(request.url.split('/')[1], 'base64url').toString());
    if (wait !== undefined) {
      response.writeHead(429, { 'Retry-After': wait });
      response.end();
      return;
    }
    const usage = `"usage":{"prompt_tokens":${tokens},"completion_tokens":${tokens}}`;
    if (request.url.endsWith('/embeddings')) {
      response.setHeader('Content-Type', 'application/json');
      response.end(`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5]}],${usage}}`);
      return;
    }
    response.setHeader('Content-Type', 'text/event-stream');
    response.end(`data: {"created":${tokens},"choices":[{"index":0,"delta":{"content":"tide"},"finish_reason":"stop"}]}\n\n`
      + `data: {"choices":[],${usage}}\n\ndata: [DONE]\n\n`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: (told) => `http://127.0.0.1:${server.address().port}/${Buffer.from(JSON.stringify(told)).toString('base64url')}/v1`,
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

describe('numbers that an upstream tells', () => {
  const context = withServer({ env: { ...LOOPBACK, TIDETALK_UPSTREAM_RETRIES: '0' } });
  let teller;
  before(async () => { teller = await startTeller(); });
  after(() => teller?.stop());

  test('are estimated when they are no count of tokens', async () => {
    const user = await context.server.user();
    for (const [i, tokens] of UNBELIEVABLE.entries()) {
      const model = await user.model(teller.url({ tokens }), { model_name: `m${i}` });
      const said = await user.say(model, uniqueName(), 'hi');
      assert.equal(said.response, 'tide', tokens);
      assert.equal(said.usage.estimated, true, tokens);
      assert.ok(said.usage.input_tokens < 100 && said.usage.output_tokens === 1, JSON.stringify(said.usage));
      const answer = await user.ok('POST', '/v1/chat/completions', { model, messages: ask('hi') });
      assert.deepEqual(answer.usage, { prompt_tokens: 5, completion_tokens: 1, total_tokens: 6, estimated: true }, tokens);
      const vectors = await user.ok('POST', '/v1/embeddings', { model, input: 'hi' });
      assert.deepEqual(vectors.data[0].embedding, [0.5], tokens);
    }
    const rows = (await user.ok('GET', '/api/usage')).data;
    assert.equal(rows.length, UNBELIEVABLE.length);
    for (const row of rows) {
      assert.equal(row.requests, 3);
      assert.equal(row.estimated, true, 'each of them');
      assert.ok(row.input_tokens > 0 && row.input_tokens < 100 && row.output_tokens === 2, JSON.stringify(row));
    }
  });

  test('are taken as they are up to the bound', async () => {
    const user = await context.server.user();
    const model = await user.model(teller.url({ tokens: '1000000000' }));
    const { usage } = await user.say(model, uniqueName(), 'hi');
    assert.deepEqual(usage, { input_tokens: 1e9, output_tokens: 1e9 });
    const answer = await user.ok('POST', '/v1/chat/completions', { model, messages: ask('hi') });
    assert.deepEqual(answer.usage, { prompt_tokens: 1e9, completion_tokens: 1e9, total_tokens: 2e9 });
    await user.ok('POST', '/v1/embeddings', { model, input: 'hi' });
    const [row] = (await user.ok('GET', '/api/usage')).data;
    assert.deepEqual([row.requests, row.input_tokens, row.output_tokens, row.estimated], [3, 3e9, 2e9, false]);
  });

  test('are none when they are NaN', async () => {
    const user = await context.server.user();
    const model = await user.model(teller.url({ tokens: 'NaN' }));
    const { usage } = await user.say(model, uniqueName(), 'hi');
    assert.equal(usage.estimated, true, 'what is not told is estimated');
    assert.equal((await user.post('/v1/embeddings', { model, input: 'hi' })).status, 502);
  });

  test('leave the limits working where sums have reached the end of the integers', async (t) => {
    const home = makeHome({ env: { TIDETALK_QUOTA_TOKENS_PER_DAY: '1000' } });
    t.after(() => home.remove());
    const input = `
      db.write({{"INSERT INTO users (username, password_hash, created_at, updated_at) VALUES ('u', 'h', 't', 't')"}})
      function put(model) return db.write({{"INSERT INTO usage_days VALUES (1, date('now'), ?1, 1, ?2, 0, 0, 0)", {model, math.maxinteger}}}) end
      put("a") and put("b") and select(2, require("services.quota").check(1, "a")).code
    `;
    const { stdout, stderr } = await tidetalk(home, ['repl'], { input, env: { TMPDIR: home.folder } });
    assert.equal(stderr, '');
    assert.match(stdout, /limit_reached\n$/);
  });

  test('do not make a client wait for longer than a day', async () => {
    for (const wait of [...WAITS, ...NO_WAITS]) {
      // A user each: the breaker of an address and key opens after a few failures.
      const user = await context.server.user();
      const model = await user.model(teller.url({ wait }));
      const want = WAITS.includes(wait) ? '86400' : null;
      for (const [path, body] of [
        ['/v1/chat/completions', { model, messages: ask('hi') }],
        ['/v1/embeddings', { model, input: 'hi' }],
        ['/api/chat/message', { session_id: uniqueName(), model_name: model, message: 'hi' }],
      ]) {
        const answer = await user.post(path, body);
        // A door keeps the provider's class, and a 429 there always says how long to wait.
        const isDoor = path.startsWith('/v1/');
        assert.equal(answer.status, isDoor ? 429 : 502, answer.text);
        assert.equal(answer.headers.get('retry-after'), want ?? (isDoor ? '1' : null), `${path} ${wait}`);
      }
    }
  });
});
