// What most test files share: one server (and mock upstream) a describe block.
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { HANG_MS } from './limits.mjs';
import { startMock } from './mock.mjs';
import { startServer } from './server.mjs';

/** Call inside describe(): `server` and `mock` are there when its tests run. Both are ended after
 * them, and an end that is not orderly (leaks, sanitizer reports) fails. */
export function withServer({ env, args, mock = false } = {}) {
  const context = {};
  before(async () => {
    if (mock) context.mock = await startMock();
    context.server = await startServer({ env, args });
  }, { timeout: HANG_MS });
  after(async () => {
    try {
      await context.server?.stop();
    } finally {
      context.server?.home.remove();
      await context.mock?.stop(); // also when the server never started
    }
  }, { timeout: HANG_MS });
  return context;
}

/** An error in the API's shape. */
export function assertError(answer, status, code) {
  assert.equal(answer.status, status, answer.text ?? answer.body);
  const body = typeof answer.body === 'string' ? JSON.parse(answer.body) : answer.body;
  // `detail`: what the caller's own provider said of it.
  assert.deepEqual(Object.keys(body).filter((key) => key !== 'detail').sort(), ['code', 'error', 'request_id']);
  assert.equal(body.code, code);
  assert.equal(typeof body.error, 'string');
  assert.ok(body.error.length > 0);
  return body;
}

export const keysOf = (object) => Object.keys(object).sort();

/** RFC 3339 in UTC with six fraction digits. */
export const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$/;
