// late
// covers: chat, app/settings, policy, style.yaml
// Who speaks: the default that the operator sets, a choice, and a switch in a running session.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe } from 'node:test';
import { admin } from './support/admin.mjs';
import { uniqueName } from './support/client.mjs';
import { test } from './support/limits.mjs';
import { ROOT } from './support/process.mjs';
import { LOOPBACK, PERSONAS, Server } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';

const PATH = '/admin/personas/default';
const [FIRST, PLAIN, OTHER] = PERSONAS;

describe('personas', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  /** A new session of a user whose model says what system message it got. */
  const setup = async () => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url('echo=system'));
    const session = uniqueName('session');
    const hear = async (more) => (await user.say(model, session, 'hi', more)).response;
    return { user, model, session, hear };
  };
  const setDefault = (persona) => admin(context.server, 'PUT', PATH, { persona });
  const getDefault = async () => (await admin(context.server, 'GET', PATH)).body;

  test('the default is the first, or what the operator set', async () => {
    const before = await setup();
    assert.deepEqual(await getDefault(), { persona: FIRST.name });
    assert.equal(await before.hear(), FIRST.content);
    const answer = await setDefault(OTHER.name);
    assert.deepEqual([answer.status, answer.body], [200, { persona: OTHER.name }]);
    assert.deepEqual(await getDefault(), { persona: OTHER.name });
    const after = await setup();
    assert.equal(await after.hear(), OTHER.content);
    assert.equal(await after.hear({ persona: '' }), OTHER.content);
    assert.equal(await before.hear(), FIRST.content, 'a session keeps its persona');
    await setDefault(FIRST.name);
    assert.equal(await (await setup()).hear(), FIRST.content);
    assert.equal(await after.hear(), OTHER.content);
  });

  test('the default is one of the file, and not for the public to set', async () => {
    const unknown = await setDefault('Nobody');
    assert.deepEqual([unknown.status, unknown.body.code], [422, 'unknown_persona']);
    assert.equal((await admin(context.server, 'PUT', PATH, {})).status, 400);
    assert.deepEqual(await getDefault(), { persona: FIRST.name });
    const { user } = await setup();
    assert.equal((await user.put(PATH, { persona: PLAIN.name })).status, 404);
  });

  test('a running session switches, and stays with it', async () => {
    const { user, session, hear } = await setup();
    assert.equal(await hear(), FIRST.content);
    assert.equal(await hear({ persona: PLAIN.name }), PLAIN.content);
    assert.equal(await hear(), PLAIN.content);
    await user.ok('PATCH', `/api/chat/sessions/${session}`, { persona: OTHER.name });
    assert.equal(await hear(), OTHER.content);
    const { data: [row] } = await user.ok('GET', '/api/chat/sessions');
    assert.equal(row.Persona, OTHER.name);
  });

  test('a system prompt in the request speaks instead, for that message', async () => {
    const { user, model, session, hear } = await setup();
    const prompt = 'Speak like the sea. 🌊';
    assert.equal(await hear({ system_prompt: prompt }), prompt);
    assert.equal(await hear(), FIRST.content);
    const { text } = await user.stream(model, session, 'hi', { system_prompt: prompt });
    assert.equal(text, prompt);
    assert.equal(await hear({ system_prompt: '' }), FIRST.content);
  });

  test('an unknown one is refused everywhere and changes nothing', async () => {
    const { user, model, session, hear } = await setup();
    await hear({ persona: PLAIN.name });
    const wish = { session_id: session, model_name: model, message: 'hi', persona: 'Nobody' };
    for (const [method, path] of [['POST', '/api/chat/message'], ['POST', '/api/chat/message/stream'],
      ['POST', '/api/chat/session'], ['PATCH', `/api/chat/sessions/${session}`]]) {
      assertError(await user.request(method, path, wish), 422, 'unknown_persona');
    }
    assert.equal(await hear(), PLAIN.content);
    assert.equal((await user.messages(session)).length, 4);
  });

  test('the default and what sessions chose outlive a restart', async () => {
    const { user, model, session, hear } = await setup();
    await hear({ persona: PLAIN.name });
    await setDefault(OTHER.name);
    await context.server.stop();
    const { home, port } = context.server;
    context.server = await new Server(home, port).start();
    assert.deepEqual(await getDefault(), { persona: OTHER.name });
    assert.equal((await user.say(model, session, 'hi')).response, PLAIN.content);
    assert.equal((await user.say(model, uniqueName('session'), 'hi')).response, OTHER.content);
  });
});

describe('the personas that it ships with', () => {
  const context = withServer({ env: { ...LOOPBACK, TIDETALK_PERSONAS: join(ROOT, 'style.yaml') }, mock: true });

  test('are at least five, in Chinese and in English, each with a prompt of its own', async () => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url('echo=system'));
    const { data: names } = await user.ok('GET', '/api/personas');
    assert.ok(names.length >= 5, names.join());
    const prompts = [];
    for (const persona of names) {
      prompts.push((await user.say(model, uniqueName('session'), 'hi', { persona })).response);
    }
    assert.equal(new Set(prompts).size, names.length);
    assert.ok(prompts.every((prompt) => prompt.length > 100), prompts.join('\n\n'));
    const chinese = prompts.filter((prompt) => /\p{Script=Han}/u.test(prompt)).length;
    assert.ok(chinese >= 2 && names.length - chinese >= 2, `${chinese} of ${names.length} in Chinese`);
  });
});
