// An upstream whose answers a test gives byte by byte; the mock (mock.mjs) has scenarios instead.
import { once } from 'node:events';
import { createServer } from 'node:http';

export const EVENTS = { 'Content-Type': 'text/event-stream' };

/** An event of a stream in OpenAI's form. */
export const event = (delta, finish = null) => `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;

/** Answers what the address names: `/KEY/…` is an entry of `answers`, a function (request, response, body). */
export async function startUpstream() {
  const answers = new Map();
  const requests = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const key = request.url.split('/')[1];
    const sent = { key, path: request.url, headers: request.headers, json: JSON.parse(Buffer.concat(chunks).toString() || '{}') };
    requests.push(sent);
    answers.get(key)(request, response, sent.json);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    requests,
    of: (key) => requests.filter((request) => request.key === key),
    /** The base_url of an answer. */
    add: (answer) => {
      const key = `k${answers.size}`;
      answers.set(key, answer);
      return { key, url: `http://127.0.0.1:${server.address().port}/${key}/v1` };
    },
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** An answer that is always the same. */
export const sends = (body, headers = EVENTS, status = 200) => (_request, response) => {
  response.writeHead(status, headers);
  response.end(body);
};
