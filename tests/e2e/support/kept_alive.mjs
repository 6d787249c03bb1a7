// Requests over connections that the caller holds: node's fetch chooses one by itself.
import { request } from 'node:http';

/** Asks over a kept-alive connection of the agent. */
export function ask(server, agent, options, sent) {
  return new Promise((done, failed) => {
    request({ host: '127.0.0.1', port: server.port, agent, ...options }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece) => { text += piece; });
      response.on('end', () => done({
        status: response.statusCode, generation: response.headers['x-script-generation'], text,
      }));
      response.on('error', failed);
    }).on('error', failed).end(sent);
  });
}
