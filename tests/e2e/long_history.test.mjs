// covers: chat, policy
// Long conversations cost their bytes: the history goes from the database to the upstream in the core.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

const TURNS = 18;
const BYTES = 500 * 1024;

/** An upstream that keeps the last request and always says the same. */
class Upstream {
  async start() {
    this.server = createServer(async (request, response) => {
      const pieces = [];
      for await (const piece of request) pieces.push(piece);
      this.last = JSON.parse(Buffer.concat(pieces));
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      const choice = { index: 0, delta: { content: 'ok' }, finish_reason: 'stop' };
      response.end(`data: ${JSON.stringify({ choices: [choice] })}\n\ndata: [DONE]\n\n`);
    }).listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.url = `http://127.0.0.1:${this.server.address().port}/v1`;
  }

  stop() { this.server.closeAllConnections(); this.server.close(); }
}

describe('a conversation of megabytes', () => {
  const context = withServer({ env: { ...LOOPBACK, TIDETALK_WORKERS: '1', TIDETALK_HISTORY_PAIRS: '40' } });
  const upstream = new Upstream();

  before(() => upstream.start());
  after(() => upstream.stop());

  test(`${TURNS} turns of ${BYTES / 1024} KiB are sent whole and in order`, async () => {
    const user = await context.server.user();
    const model = uniqueName('model');
    await user.ok('POST', '/api/user/apis', {
      api_name: model, model_name: model, api_key: 'sk-long', base_url: upstream.url,
    });
    const session = uniqueName('session');
    const text = (i) => `${i} "潮\n" ${'tide '.repeat(BYTES / 5)}`;
    for (let i = 0; i < TURNS; i += 1) {
      assert.equal((await user.say(model, session, text(i))).response, 'ok');
      const sent = upstream.last.messages.filter(({ role }) => role === 'user');
      assert.deepEqual(sent.map(({ content }) => content.slice(0, 8)),
        Array.from({ length: i + 1 }, (_, k) => text(k).slice(0, 8)));
      assert.equal(sent.at(-1).content, text(i));
    }
    const told = upstream.last.messages;
    assert.equal(told[0].role, 'system');
    assert.deepEqual(told.slice(1).map(({ role }) => role),
      Array.from({ length: 2 * TURNS - 1 }, (_, k) => (k % 2 ? 'assistant' : 'user')));
    const { data } = await user.ok('GET', `/api/chat/sessions/${session}/messages?limit=2`);
    assert.equal(data.at(-1).content, 'ok');
  });
});
