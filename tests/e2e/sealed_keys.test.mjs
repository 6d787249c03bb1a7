// sqlite
// covers: models, base, account
// A stored key opens for the user it was sealed for and for nobody else, whatever stands in the rows.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { HANG_MS, test } from './support/limits.mjs';
import { startMock } from './support/mock.mjs';
import { makeFolder, removeFolder } from './support/process.mjs';
import { copyScripts, nameRoute } from './support/scripts.mjs';
import { LOOPBACK, startServer } from './support/server.mjs';

/** What somebody who can write the database would do: lay the key of one row into another. */
const ROUTE = `
local db = require "tide.db"
local COPY = [[UPDATE user_apis SET (api_key_sealed, api_key_mask, seal_salt) = (SELECT api_key_sealed, api_key_mask,
  seal_salt FROM user_apis AS other WHERE other.id = ?1), version = version + 1 WHERE id = ?2]]
return {
  {
    method = "POST", path = "/api/test/copy-key", auth = "none", summary = "Copies a sealed key",
    request = { fields = { { name = "from", type = "integer" }, { name = "to", type = "integer" } } },
    response = { type = "object", fields = {} },
    handler = function(req)
      local done, err = db.write({ { COPY, { req.body.from, req.body.to }, expect = 1 } })
      return done and { json = {} }, err
    end,
  },
}
`;

describe('a sealed key', () => {
  let folder; let mock; let server;

  before(async () => {
    folder = makeFolder();
    const lua = copyScripts(folder, { 'routes/copy_key.lua': ROUTE });
    nameRoute(lua, 'copy_key');
    mock = await startMock();
    server = await startServer({ env: { ...LOOPBACK, TIDETALK_LUA_DIR: lua } });
  }, { timeout: HANG_MS });
  after(async () => {
    await server?.stop();
    server?.home.remove();
    await mock?.stop();
    removeFolder(folder);
  }, { timeout: HANG_MS });

  const firstId = async (user) => (await user.ok('GET', '/api/user/apis/first')).api.id;
  const copy = async (from, to) => server.client().ok('POST', '/api/test/copy-key', { from, to });

  test("does not open in another user's row", async () => {
    const owner = await server.user();
    const thief = await server.user();
    const model = await owner.model(mock.url('echo=key'));
    await thief.model(mock.url('echo=key'), { model_name: model });
    assert.equal((await owner.say(model, uniqueName(), 'hi')).response, owner.apiKey);
    await copy(await firstId(owner), await firstId(thief));
    await mock.reset();
    for (const [path, body] of [
      ['/api/chat/message', { session_id: uniqueName(), model_name: model, message: 'hi' }],
      ['/v1/chat/completions', { model, messages: [{ role: 'user', content: 'hi' }] }],
      ['/v1/embeddings', { model, input: 'hi' }],
    ]) {
      const answer = await thief.post(path, body);
      assert.equal(answer.status, 422, `${path}: ${answer.text}`);
      assert.equal(answer.body.code ?? answer.body.error.code, 'secret_unreadable', path);
      assert.ok(!answer.text.includes(owner.apiKey));
    }
    assert.deepEqual(await mock.requests(), [], 'nobody was asked with it');
    assert.equal((await owner.say(model, uniqueName(), 'hi')).response, owner.apiKey, 'the owner is not in the way');
    // The way out that the error's text names.
    await thief.ok('PUT', `/api/user/apis/${await firstId(thief)}`, { api_key: thief.apiKey });
    assert.equal((await thief.say(model, uniqueName(), 'hi')).response, thief.apiKey);
  });

  test('opens in another row of the same user: that is what the copy itself can do', async () => {
    const user = await server.user();
    const first = await user.model(mock.url('echo=key'));
    const second = await user.model(mock.url('echo=key'), { api_key: 'sk-test-of-the-second' });
    assert.equal((await user.say(second, uniqueName(), 'hi')).response, 'sk-test-of-the-second');
    const { apis } = await user.ok('GET', '/api/user/apis');
    await copy(apis.find((api) => api.model_name === first).id, apis.find((api) => api.model_name === second).id);
    assert.equal((await user.say(second, uniqueName(), 'hi')).response, user.apiKey);
  });
});
