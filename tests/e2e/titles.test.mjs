// late
// covers: chat, policy
// What sessions are called when the model is asked for a title.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe } from 'node:test';
import { settled } from './support/admin.mjs';
import { uniqueName } from './support/client.mjs';
import { eventually, test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

const QUESTION = 'Why are there two tides a day?';
const CUT = 'Why are there two ti…';

const titleOf = async (user, session) => (await user.ok('GET', '/api/chat/sessions?page_size=100')).data
  .find((row) => row.SessionID === session)?.Title;

/** Requests for a title among what the upstream was asked. */
const asksForTitle = ({ json }) => json.messages.at(-1).content === 'Title?';

/** Hands requests on to `url`, but never answers those for a title: it counts them. */
async function startTitleless(url) {
  const upstream = { titles: 0 };
  const server = createServer(async (request, response) => {
    const body = (await request.toArray()).join('');
    if (asksForTitle({ json: JSON.parse(body) })) {
      upstream.titles += 1;
      return;
    }
    const answer = await fetch(`${url}/chat/completions`, { method: 'POST', body });
    response.writeHead(answer.status, { 'Content-Type': answer.headers.get('content-type') });
    response.end(await answer.text());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  upstream.url = `http://127.0.0.1:${server.address().port}/v1`;
  upstream.stop = () => {
    server.close();
    server.closeAllConnections();
  };
  return upstream;
}

describe('titles asked from the model', () => {
  const context = withServer({ env: { ...LOOPBACK, TIDETALK_TITLE_ASK_MODEL: 'true' }, mock: true });

  const setup = async (scenario) => {
    const user = await context.server.user();
    await context.mock.reset();
    return { user, session: uniqueName('session'), model: await user.model(context.mock.url(scenario)) };
  };
  const asked = async () => (await context.mock.requests()).filter(asksForTitle);

  test('stand soon after the first reply, without quotes', async () => {
    const { user, session, model } = await setup(`text=${encodeURIComponent('“潮汐的成因”\nmore')}`);
    await user.say(model, session, QUESTION);
    await eventually(async () => await titleOf(user, session) === '潮汐的成因', 'the title stands');
    await user.say(model, session, 'and now?');
    await settled(context.server);
    assert.equal((await asked()).length, 1, 'asked once a session');
    assert.equal((await user.messages(session)).length, 4, 'the question for it is no message');
    assert.equal(await titleOf(user, session), '潮汐的成因');
  });

  test('come from a stream too', async () => {
    const { user, session, model } = await setup('text=Moon%20and%20sea');
    await user.stream(model, session, QUESTION);
    await eventually(async () => await titleOf(user, session) === 'Moon and sea', 'the title stands');
  });

  test('never slow anything: the first token is on its way before they are asked for', async () => {
    const { user, session, model } = await setup('tokens=30,pace=20');
    const reader = await user.open(model, session, QUESTION);
    await reader.until(() => reader.text.includes('tok3'));
    assert.equal(await titleOf(user, session), CUT, 'the one from the message stands at once');
    assert.equal((await asked()).length, 0);
    await reader.end();
  });

  test('never slow anything: the end does not wait for them, nor does the next message', async () => {
    const { user, session } = await setup('');
    const upstream = await startTitleless(context.mock.url('tokens=2'));
    try {
      const model = await user.model(upstream.url);
      assert.equal((await user.stream(model, session, QUESTION)).text, 'tok0 tok1 ');
      await eventually(() => upstream.titles === 1, 'the model is asked');
      assert.equal(await titleOf(user, session), CUT);
      assert.equal((await user.say(model, session, 'next')).response, 'tok0 tok1 ');
      assert.equal(await titleOf(user, session), CUT);
    } finally {
      upstream.stop();
    }
  });

  test('do not replace what was set by hand meanwhile', async () => {
    const { user, session, model } = await setup('tokens=4,first=700');
    await user.say(model, session, QUESTION);
    await eventually(async () => (await asked()).length === 1, 'the model is asked');
    await user.ok('PATCH', `/api/chat/sessions/${session}`, { title: 'By hand' });
    await eventually(async () => (await context.mock.stats()).active === 0, 'it has answered');
    await settled(context.server);
    assert.equal(await titleOf(user, session), 'By hand');
  });

  test('that fail or say nothing leave the one from the message', async () => {
    const { user, session, model } = await setup('text=%E2%80%9C%E2%80%9D');
    await user.say(model, session, QUESTION);
    await eventually(async () => (await asked()).length === 1
      && (await context.mock.stats()).active === 0, 'the model was asked');
    await settled(context.server);
    assert.equal(await titleOf(user, session), CUT);
  });

  test('are not asked for after a reply that failed, nor of the demo model', async () => {
    const { user, session, model } = await setup('status=500');
    assert.equal((await user.post('/api/chat/message', {
      session_id: session, model_name: model, message: QUESTION,
    })).status, 502);
    await user.say('demo', uniqueName('session'), QUESTION);
    await settled(context.server);
    assert.equal((await asked()).length, 0);
    assert.equal(await titleOf(user, session), CUT);
  });

  test('do not hold a deleted session', async () => {
    const { user, session, model } = await setup('tokens=4,first=500');
    await user.say(model, session, QUESTION);
    await eventually(async () => (await asked()).length === 1, 'the model is asked');
    await user.ok('DELETE', `/api/chat/sessions/${session}`);
    await eventually(async () => (await context.mock.stats()).active === 0, 'it has answered');
    await settled(context.server);
    assert.equal(await titleOf(user, session), undefined);
  });
});

describe('titles by default', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  test('are made of the message, and nobody is asked', async () => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url('tokens=2'));
    const session = uniqueName('session');
    await user.say(model, session, QUESTION);
    await settled(context.server);
    assert.equal(await titleOf(user, session), CUT);
    assert.equal((await context.mock.requests()).length, 1);
  });
});
