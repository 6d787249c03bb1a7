// tsan
// covers: doors, app, upstream
// SIGTERM while clients of the OpenAI routes are served: what runs gets its time, then an error that
// their clients know, and its tokens are counted.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { ask } from './support/door.mjs';
import { HANG_MS, eventually, test, within } from './support/limits.mjs';
import { startMock } from './support/mock.mjs';
import { LOOPBACK, startServer } from './support/server.mjs';

describe('SIGTERM, at the OpenAI routes', () => {
  let mock;
  before(async () => { mock = await startMock(); }, { timeout: HANG_MS });
  after(async () => { await mock.stop(); }, { timeout: HANG_MS });

  const setup = async (drain, scenario) => {
    const server = await startServer({ env: { ...LOOPBACK, TIDETALK_DRAIN: drain } });
    const user = await server.user();
    const model = await user.model(mock.url(scenario));
    return {
      server,
      user,
      complete: (stream) => user.post('/v1/chat/completions', { model, messages: ask('hi'), stream }),
    };
  };

  test('lets what is short enough come to its end', async () => {
    const { server, complete } = await setup('60s', 'tokens=40,pace=20');
    const answers = [complete(true), complete(false)];
    await eventually(async () => (await mock.stats()).active === 2, 'both run');
    server.signal('SIGTERM');
    const [streamed, whole] = await Promise.all(answers);
    assert.ok(streamed.text.endsWith('data: [DONE]\n\n'), streamed.text.slice(-300));
    assert.ok(whole.body.choices[0].message.content.endsWith('tok39 '));
    assert.equal(await within(server.exited, 'the server ends'), 0, server.log().slice(-2000));
    server.home.remove();
  });

  test('ends what takes longer, and counts it', async () => {
    const { server, user, complete } = await setup('1s', 'fault=endless,pace=10');
    const answers = [complete(true), complete(false)];
    await eventually(async () => (await mock.stats()).active === 2, 'both run');
    server.signal('SIGTERM');
    const [streamed, whole] = await Promise.all(answers);
    const last = streamed.text.trimEnd().split('\n').at(-1);
    assert.equal(JSON.parse(last.replace(/^data: /, '')).error.code, 'shutting_down');
    assert.equal(whole.status, 503, whole.text);
    assert.equal(whole.body.error.code, 'shutting_down');
    assert.equal(whole.headers.get('x-should-retry'), 'true');
    assert.equal(await within(server.exited, 'the server ends'), 0, server.log().slice(-2000));
    await server.start();
    const [row] = (await user.ok('GET', '/api/usage')).data;
    assert.ok(row.requests === 2 && row.estimated && row.output_tokens > 0, JSON.stringify(row));
    await server.stop();
    server.home.remove();
  });
});
