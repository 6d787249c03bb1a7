// tsan
// late
// bytes
// covers: http, chat, reply, upstream
// smoke
// The stream of a reply: headers, frames, positions, end.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { test } from './support/limits.mjs';
import { RawConnection, parseAnswer, rawRequest } from './support/raw.mjs';
import { LOOPBACK } from './support/server.mjs';
import { keysOf, withServer } from './support/suite.mjs';

const words = (count) => Array.from({ length: count }, (_, i) => `tok${i} `).join('');

describe('a stream', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  const setup = async (scenario) => {
    const user = await context.server.user();
    return { user, model: await user.model(context.mock.url(scenario)), session: uniqueName('session') };
  };

  test('has the headers that keep proxies from holding it back', async () => {
    const { user, model, session } = await setup('tokens=3');
    const { headers } = await user.stream(model, session, 'hi');
    assert.equal(headers.get('content-type'), 'text/event-stream');
    assert.equal(headers.get('cache-control'), 'no-cache, no-transform');
    assert.equal(headers.get('x-accel-buffering'), 'no');
    assert.equal(headers.get('transfer-encoding'), 'chunked');
    assert.equal(headers.get('content-encoding'), null);
    assert.equal(headers.get('x-script-generation'), '1');
    assert.ok(headers.get('x-request-id'));
  });

  test('is not compressed, whatever the client takes', async () => {
    const { user, model, session } = await setup('tokens=3');
    const answer = await rawRequest(context.server.port, 'POST', '/api/chat/message/stream', {
      token: user.token, headers: { 'Accept-Encoding': 'gzip, br' },
      body: { session_id: session, model_name: model, message: 'hi' },
    });
    assert.equal(answer.headers['content-encoding'], undefined);
    assert.ok(answer.body.includes('tok2'));
  });

  test('has frames of one id and one data line, and comments at most', async () => {
    const { user, model, session } = await setup('tokens=20,pace=5');
    const stream = await user.stream(model, session, 'hi');
    for (const block of stream.raw.split('\n\n').slice(0, -1)) {
      assert.match(block, /^(id: \d+\.\d+(\.end)?\ndata: \{.*\}|: ping)$/);
    }
    assert.equal(stream.text, words(20));
    for (const { data } of stream.frames.slice(0, -1)) {
      assert.deepEqual(keysOf(data), ['content', 'done']);
      assert.equal(data.done, false);
      assert.equal(typeof data.content, 'string');
      assert.notEqual(data.content, '');
    }
    assert.ok(stream.frames.length > 2, 'it comes piece by piece');
  });

  test('ends with a frame that says what became of it', async () => {
    const { user, model, session } = await setup('tokens=5');
    const stream = await user.stream(model, session, 'hi');
    const [asked, reply] = await user.messages(session);
    assert.deepEqual(stream.last, {
      content: '', done: true, message_id: reply.id, user_message_id: asked.id,
      usage: { input_tokens: 2, output_tokens: 5 }, finish_reason: 'stop',
    });
    assert.equal(stream.messageId, reply.id);
    assert.equal(stream.frames.at(-1).seq, Buffer.byteLength(words(5)));
  });

  test('tells other reasons to end', async () => {
    for (const reason of ['length', 'content_filter']) {
      const { user, model, session } = await setup(`tokens=2,finish=${reason}`);
      assert.equal((await user.stream(model, session, 'hi')).last.finish_reason, reason);
    }
  });

  test('ends only after the reply is stored', async () => {
    const { user, model, session } = await setup('tokens=5');
    for (let i = 1; i <= 10; i += 1) {
      const reader = await user.open(model, session, 'hi');
      await reader.until(() => reader.last);
      const stored = await user.messages(session);
      assert.equal(stored.length, 2 * i);
      assert.deepEqual([stored.at(-1).content, stored.at(-1).status], [words(5), 'complete']);
      await reader.end();
    }
  });

  test('tells reasoning in frames of their own', async () => {
    const { user, model, session } = await setup('tokens=4,reasoning=3,pace=5');
    const stream = await user.stream(model, session, 'hi');
    assert.equal(stream.reasoning, 'think0 think1 think2 ');
    assert.equal(stream.text, words(4));
    for (const { data } of stream.frames.slice(0, -1)) {
      const keys = keysOf(data);
      assert.ok(keys.length === 2 || keys[0] === 'reasoning', keys.join());
    }
    const [, reply] = await user.messages(session);
    assert.equal(reply.content, words(4), 'reasoning is no content');
  });

  test('shows a reply that is running with its text so far', async () => {
    const { user, model, session } = await setup('tokens=40,pace=20');
    const reader = await user.open(model, session, 'hi');
    await reader.until(() => reader.text.length > 10);
    const [, reply] = await user.messages(session);
    assert.equal(reply.status, 'streaming');
    assert.ok(words(40).startsWith(reply.content) && reply.content.length > 0, reply.content);
    await reader.end();
    assert.equal(reader.text, words(40));
  });

  test('can be long', async () => {
    const { user, model, session } = await setup('tokens=20000,size=100');
    const stream = await user.stream(model, session, 'hi');
    assert.equal(stream.text.length, 2_000_000);
    const numbers = [...stream.text.matchAll(/tok(\d+)/g)].map((match) => Number(match[1]));
    assert.ok(numbers.every((n, i) => n === i) && numbers.length === 20000, 'every word, in order');
    assert.equal((await user.messages(session))[1].content, stream.text);
  });

  test('of the demo model looks the same', async () => {
    const { user, session } = await setup('');
    const stream = await user.stream('demo', session, '你好');
    assert.ok(stream.frames.length > 2);
    assert.equal(stream.last.finish_reason, 'stop');
    assert.equal((await user.messages(session))[1].content, stream.text);
  });

  test('is sent frame by frame, each as one chunk', async () => {
    const { user, model, session } = await setup('tokens=30,pace=20');
    const connection = new RawConnection(context.server.port).request('POST', '/api/chat/message/stream', {
      token: user.token, body: { session_id: session, model_name: model, message: 'hi' },
    });
    await connection.until((text) => text.endsWith('\r\n0\r\n\r\n'), 'the last chunk');
    connection.close();
    let rest = connection.received.slice(connection.received.indexOf('\r\n\r\n') + 4);
    const chunks = [];
    for (let size = Number.parseInt(rest, 16); size > 0; size = Number.parseInt(rest, 16)) {
      const from = rest.indexOf('\r\n') + 2;
      chunks.push(rest.slice(from, from + size));
      rest = rest.slice(from + size + 2);
    }
    // What is ready at once goes as one frame, so there is never a second delta in a chunk.
    for (const chunk of chunks) {
      assert.match(chunk, /^id: .*\n\n$/s, 'whole frames');
      assert.ok(chunk.match(/"done":false/g)?.length === 1 || chunk.includes('"done":true'), chunk);
    }
    assert.ok(chunks.length > 10, 'and none waits for others');
  });

  test('leaves the connection usable', async () => {
    const { user, model, session } = await setup('tokens=3');
    const connection = new RawConnection(context.server.port);
    for (let i = 1; i <= 3; i += 1) {
      connection.request('POST', '/api/chat/message/stream', {
        token: user.token, body: { session_id: session, model_name: model, message: 'hi' },
      });
      await connection.until((text) => text.split('\r\n0\r\n\r\n').length === i + 1, `stream ${i}`);
    }
    connection.close();
  });

  test('to an HTTP/1.0 client ends with the connection', async () => {
    const { user, model, session } = await setup('tokens=3');
    const body = JSON.stringify({ session_id: session, model_name: model, message: 'hi' });
    const connection = new RawConnection(context.server.port);
    connection.send(`POST /api/chat/message/stream HTTP/1.0\r\nAuthorization: Bearer ${user.token}\r\n`
      + `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    await connection.closed;
    const answer = parseAnswer(connection.received);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['transfer-encoding'], undefined);
    assert.match(answer.body, /^id: \d+\.5\ndata: |^id: /);
    assert.match(answer.body, /"done":true.*\n\n$/);
  });

  test('to many readers at once is everyone’s own', async () => {
    const { user, model } = await setup('echo=1,size=3,pace=2');
    const streams = await Promise.all(Array.from({ length: 30 }, async (_, i) => {
      const message = `stream ${i} ${'潮'.repeat(i)}`;
      const stream = await user.stream(model, uniqueName('many'), message);
      return [stream.text, message];
    }));
    for (const [text, message] of streams) assert.equal(text, message);
  });
});
