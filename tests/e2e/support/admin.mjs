// The operator's side of a server: its admin listener on a Unix socket.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { join } from 'node:path';
import { eventually, within } from './limits.mjs';

/** {status, headers, text} of a request to the admin listener. */
export function adminText(server, method, path, sent) {
  const answered = new Promise((done, failed) => {
    const headers = sent === undefined ? {} : { 'Content-Type': 'application/json' };
    const outgoing = request({
      socketPath: join(server.home.dataDir, 'admin.sock'), method, path, headers, agent: false,
    }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece) => { text += piece; });
      response.on('end', () => done({ status: response.statusCode, headers: response.headers, text }));
      response.on('error', failed);
    });
    outgoing.on('error', failed);
    outgoing.end(sent === undefined ? undefined : JSON.stringify(sent));
  });
  return within(answered, `${method} ${path} is answered`);
}

/** The same with its body decoded. */
export async function admin(server, method, path, sent) {
  const answer = await adminText(server, method, path, sent);
  return { ...answer, body: answer.text && JSON.parse(answer.text) };
}

/** How many coroutines of requests and timers there are, on all workers. Each worker is asked on its own
 * loop, so what an answered request has begun by itself is among them. */
export async function tasksOf(server) {
  const { text } = await adminText(server, 'GET', '/metrics');
  const samples = [...text.matchAll(/^tidetalk_tasks\{.*\} (\d+)$/gm)];
  assert.ok(samples.length > 0, text);
  return samples.reduce((sum, [, count]) => sum + Number(count), 0);
}

/** Waits until no script and no reply runs: whatever answered requests have begun is over then. */
export const settled = (server) => eventually(async () =>
  await tasksOf(server) === 0 && (await statusOf(server)).replies_running === 0, 'nothing runs any more');

/** What /admin/status says. */
export async function statusOf(server) {
  const answer = await admin(server, 'GET', '/admin/status');
  assert.equal(answer.status, 200, answer.text);
  return answer.body;
}
