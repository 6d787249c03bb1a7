// Uploads as browsers send them, and what of them lies on the server's disk.
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

export const BOUNDARY = '----tide0123456789';

/** One part; `value` a string or bytes. */
const part = (disposition, value, more = '') => Buffer.concat([
  Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; ${disposition}\r\n${more}\r\n`),
  Buffer.from(value), Buffer.from('\r\n'),
]);
export const field = (name, value) => part(`name="${name}"`, value);
export const file = (name, bytes) => part(`name="file"; filename="${name}"`, bytes, 'Content-Type: text/plain\r\n');
export const form = (...parts) => Buffer.concat([...parts, Buffer.from(`--${BOUNDARY}--\r\n`)]);
export const TYPE = { 'Content-Type': `multipart/form-data; boundary=${BOUNDARY}` };

export const send = (user, body, headers = TYPE) =>
  user.request('POST', '/api/files/upload', body, { headers });

/** Uploads and returns the answer's body. */
export async function upload(user, session, name, bytes) {
  const answer = await send(user, form(field('session_id', session), file(name, bytes)));
  assert.equal(answer.status, 200, answer.text);
  return answer.body;
}

export const newSession = async (user, model = 'demo') =>
  (await user.ok('POST', '/api/chat/session', { model_name: model })).session_id;
export const list = async (user, session) => (await user.ok('GET', `/api/files/session/${session}`)).data;

/** All files below the store, temporary ones too: paths without the folder. */
export function stored(server) {
  const folder = join(server.home.dataDir, 'files');
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((shard) =>
    readdirSync(join(folder, shard)).map((name) => `${shard}/${name}`)).sort();
}
