// The upstream of the budget: it sends exactly what is asked for, in as many writes as are asked for,
// so that the server reads the same pieces in every run. The first part of a path says what:
//
//   /whole-8/v1    8 tokens, the whole answer in one write
//   /step-8/v1     8 tokens, each in a write of its own, and only when it is released
//
// Its events are those of tests/mock_llm.
import { once } from 'node:events';
import { createServer } from 'node:net';

const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n'
  + 'Transfer-Encoding: chunked\r\n\r\n';
const LAST = '0\r\n\r\n';

export const word = (i) => `tok${i} `;

function event(data) {
  const text = `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
}

const chunk = (model, rest) => event({
  id: 'chatcmpl-mock', object: 'chat.completion.chunk', created: 1700000000, model, ...rest,
});

const choice = (model, delta, finish = null) => chunk(model, {
  choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
});

/** The answer's pieces: one for each token, with what goes before the first and after the last. */
function pieces(model, tokens) {
  const parts = Array.from({ length: tokens }, (_, i) => choice(model, { content: word(i) }));
  parts[0] = HEAD + choice(model, { role: 'assistant', content: '' }) + parts[0];
  const usage = { prompt_tokens: 2, completion_tokens: tokens, total_tokens: tokens + 2 };
  const end = choice(model, {}, 'stop') + chunk(model, { choices: [], usage }) + event('[DONE]');
  return { parts, end: end + LAST };
}

/** One request of the bytes, or undefined when it is not complete. */
function takeRequest(bytes) {
  const head = bytes.indexOf('\r\n\r\n');
  if (head < 0) return undefined;
  const text = bytes.toString('latin1', 0, head);
  const length = Number(/^content-length: *(\d+)/im.exec(text)?.[1] ?? 0);
  if (bytes.length < head + 4 + length) return undefined;
  const [, form, tokens] = /^POST \/(whole|step)-(\d+)\//.exec(text) ?? [];
  const body = JSON.parse(bytes.toString('utf8', head + 4, head + 4 + length));
  return { form, tokens: Number(tokens), model: body.model, rest: bytes.subarray(head + 4 + length) };
}

export class Upstream {
  #server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  #next = () => {};

  async start() {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#server.unref();
    this.url = `http://127.0.0.1:${this.#server.address().port}`;
    return this;
  }

  /** Sends the next piece of the stepwise answer that is running. */
  release() { this.#next(); }

  #accept(socket) {
    let bytes = Buffer.alloc(0);
    socket.unref();
    socket.on('error', () => {});
    socket.on('data', (piece) => {
      bytes = Buffer.concat([bytes, piece]);
      const request = takeRequest(bytes);
      if (!request) return;
      bytes = request.rest;
      this.#answer(socket, request);
    });
  }

  #answer(socket, { form, tokens, model }) {
    const { parts, end } = pieces(model, tokens);
    if (form !== 'step') {
      socket.write(parts.join('') + end);
      return;
    }
    let sent = 0;
    this.#next = () => {
      socket.write(sent < parts.length ? parts[sent] : end);
      sent += 1;
    };
    this.#next();
  }
}
