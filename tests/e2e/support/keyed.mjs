// An upstream whose answer depends on the key: what a test sets in `answers` (an answer, or a function
// of the request's body), else a text.
import { once } from 'node:events';
import { createServer } from 'node:http';

export async function startKeyed() {
  const upstream = { answers: {}, asked: [] };
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const key = (request.headers.authorization ?? '').replace('Bearer ', '');
    const text = Buffer.concat(chunks).toString();
    const json = text && JSON.parse(text);
    upstream.asked.push({ key, path: request.url, headers: request.headers, json });
    const given = upstream.answers[key];
    const { status = 200, headers = {}, body } = (typeof given === 'function' ? given(json) : given) ?? {};
    response.statusCode = status;
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (body !== undefined || status !== 200) {
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify(body ?? { error: { message: `no: ${status}` } }));
      return;
    }
    response.setHeader('Content-Type', 'text/event-stream');
    const choice = { index: 0, delta: { content: 'fine' }, finish_reason: 'stop' };
    response.end(`data: ${JSON.stringify({ choices: [choice] })}\n\ndata: [DONE]\n\n`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  upstream.url = `http://127.0.0.1:${server.address().port}/v1`;
  upstream.keys = () => upstream.asked.splice(0).map((request) => request.key);
  upstream.stop = async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
  return upstream;
}
