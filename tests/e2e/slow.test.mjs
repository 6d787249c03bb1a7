// covers: http, serve, chat
// What takes its time by definition: held headers and keep-alive comments come after ten seconds.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

describe('a slow upstream', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  test('is bridged by pings, and its late failure is a frame', async () => {
    const user = await context.server.user();
    const [silent, late, failed] = await Promise.all([
      ['tokens=2,pace=12000'], ['tokens=2,first=12000'], ['status=500,first=12000'],
    ].map(async ([scenario]) => user.stream(
      await user.model(context.mock.url(scenario), { model_name: scenario }), uniqueName('slow'), 'hi',
    )));
    assert.match(silent.raw, /tok0[^]*\n\n: ping\n\n[^]*tok1/);
    assert.equal(silent.text, 'tok0 tok1 ');
    assert.equal(late.text, 'tok0 tok1 ');
    // The headers had to be sent before it was known.
    assert.equal(failed.last.code, 'upstream_failed');
    assert.equal(failed.text, '');
  });
});
