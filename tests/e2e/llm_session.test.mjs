// late
// covers: chat, tide
// What scripts hold in their hand of a conversation: the history that a model is shown, and a reply that
// is read piece by piece.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { HANG_MS, test } from './support/limits.mjs';
import { startMock } from './support/mock.mjs';
import { makeFolder, removeFolder } from './support/process.mjs';
import { copyScripts, nameRoute } from './support/scripts.mjs';
import { LOOPBACK, startServer } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';
import { newSession, upload } from './support/upload.mjs';

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==', 'base64',
);

describe('the context of a session', () => {
  const context = withServer({ env: { ...LOOPBACK, TIDETALK_HISTORY_PAIRS: '3' }, mock: true });

  const contextOf = async (user, session) => (await user.ok('GET', `/api/chat/sessions/${session}/context`)).data;

  /** What the upstream was last asked, without the system prompt and the new message. */
  const historySent = async () => (await context.mock.requests()).at(-1).json.messages.slice(1, -1);

  test('is what the model is shown with the next message, attached files included', async () => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url('echo=1'));
    const session = await newSession(user, model);
    assert.deepEqual(await contextOf(user, session), [], 'of a new session');
    const { file_id: id } = await upload(user, session, '潮.txt', '潮起潮落');
    await user.say(model, session, 'look', { file_ids: [id] });
    await user.say(model, session, 'and now?');
    const shown = await contextOf(user, session);
    const look = 'look\n\n=== 潮.txt ===\n潮起潮落';
    assert.deepEqual(shown, [
      { role: 'user', content: look }, { role: 'assistant', content: look },
      { role: 'user', content: 'and now?' }, { role: 'assistant', content: 'and now?' },
    ]);
    await user.say(model, session, 'third');
    assert.deepEqual(await historySent(), shown);
  });

  test('has as many turns as the model is shown, and none that failed', async () => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url('echo=1'));
    const failing = await user.model(context.mock.url('status=400'));
    const session = uniqueName('session');
    for (const message of ['one', 'two', 'three']) await user.say(model, session, message);
    const failed = await user.post('/api/chat/message', { session_id: session, model_name: failing, message: 'lost' });
    assert.equal(failed.status, 502);
    await user.say(model, session, 'four');
    const shown = await contextOf(user, session);
    assert.deepEqual(shown.filter((m) => m.role === 'user').map((m) => m.content), ['two', 'three', 'four']);
    await user.say(model, session, 'five');
    assert.deepEqual(await historySent(), shown);
  });

  test('names images, and leaves deleted files out', async () => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url('tokens=1'), { model_name: 'gpt-4o' });
    const session = await newSession(user, model);
    const { file_id: image } = await upload(user, session, 'sea.png', PNG);
    const { file_id: gone } = await upload(user, session, 'gone.txt', 'gone with it');
    await user.say(model, session, 'look', { file_ids: [image, gone] });
    await user.ok('DELETE', `/api/files/${gone}`);
    const [asked] = await contextOf(user, session);
    assert.match(asked.content, /^look\n\n=== sea\.png ===\n/);
    assert.doesNotMatch(asked.content, /gone/);
  });

  test("is nobody else's", async () => {
    const user = await context.server.user();
    await user.say('demo', 'sea-of-one', 'mine');
    const stranger = await context.server.user();
    assertError(await stranger.get('/api/chat/sessions/sea-of-one/context'), 404, 'session_not_found');
  });
});

const COLLECT = `
local json = require "tide.json"
local llm_session = require "chat.llm_session"

return {
  {
    method = "POST",
    path = "/api/collect",
    auth = "user",
    summary = "Send a message and get the reply's pieces",
    request = {
      fields = {
        { name = "session_id", type = "string", required = true },
        { name = "model_name", type = "string", required = true },
        { name = "message", type = "string", required = true },
      },
    },
    handler = function(req)
      local session = llm_session.new(req.user.id, req.language)
      session:set_session_id(req.body.session_id)
      local pieces = json.array({})
      local reply, err = session:send_message_stream(
        { model_name = req.body.model_name, message = req.body.message },
        function(text)
          pieces[#pieces + 1] = text
        end
      )
      if not reply then
        return nil, err
      end
      local result = reply:wait()
      return {
        json = { pieces = pieces, status = result.status, whole = result.content },
      }
    end,
  },
}
`;

describe('a route that reads a reply piece by piece', () => {
  const context = {};
  before(async () => {
    context.folder = makeFolder();
    const lua = copyScripts(context.folder, { 'routes/collect.lua': COLLECT });
    nameRoute(lua, 'collect');
    context.mock = await startMock();
    context.server = await startServer({ env: { ...LOOPBACK, TIDETALK_LUA_DIR: lua } });
  }, { timeout: HANG_MS });
  after(async () => {
    try {
      await context.server?.stop();
    } finally {
      context.server?.home.remove();
      await context.mock?.stop();
      removeFolder(context.folder);
    }
  }, { timeout: HANG_MS });

  const collect = async (scenario) => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url(scenario));
    const session = uniqueName('session');
    const answer = await user.post('/api/collect', { session_id: session, model_name: model, message: 'hi' });
    return { user, session, answer };
  };
  const words = (count) => Array.from({ length: count }, (_, i) => `tok${i} `).join('');

  test('gets all of its text, in order, in more than one piece', async () => {
    const { user, session, answer } = await collect('tokens=20,pace=30');
    assert.equal(answer.status, 200, answer.text);
    const { pieces, status, whole } = answer.body;
    assert.deepEqual([status, whole], ['complete', words(20)]);
    assert.equal(pieces.join(''), whole);
    assert.ok(pieces.length > 1 && pieces.every((piece) => piece !== ''), answer.text);
    assert.equal((await user.messages(session)).at(-1).content, whole);
  });

  test('gets whole characters, however the bytes came', async () => {
    const told = '潮起🌊潮落'.repeat(20);
    const { answer } = await collect(`text=${encodeURIComponent(told)},split=1,splitpace=100`);
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.body.pieces.join(''), told);
    assert.ok(answer.body.pieces.every((piece) => !piece.includes('\ufffd')), answer.text);
  });

  test('gets what there was of one that breaks off', async () => {
    const { answer } = await collect('tokens=10,pace=20,fault=reset_mid,at=4');
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.body.status, 'error');
    assert.equal(answer.body.pieces.join(''), words(4));
  });

  test('gets the error of one that never began', async () => {
    const { answer } = await collect('status=400');
    assertError(answer, 502, 'upstream_rejected');
  });
});
