// Deadlines that a configuration has of its own, and what happens when an upstream does not answer
// while there is still time to ask again or somebody else.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';

describe('deadlines of a configuration', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  for (const [deadlines, scenario, code] of [
    [{ first_byte: 200 }, 'fault=hang', 'upstream_timeout'],
    [{ between: 200 }, 'fault=hang_mid,at=0', 'upstream_stalled'],
    [{ total: 300 }, 'tokens=100000,pace=20,at=0,comments=1', 'upstream_timeout'],
  ]) {
    test(`${JSON.stringify(deadlines)} instead of the settings'`, async () => {
      const user = await context.server.user();
      const model = await user.model(context.mock.url(scenario), { deadlines });
      const answer = await user.post('/api/chat/message', {
        session_id: uniqueName('deadline'), model_name: model, message: 'hi',
      });
      assertError(answer, 504, code);
    });
  }
});
