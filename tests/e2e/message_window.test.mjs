// late
// covers: chat, web
// Pages of a conversation around a message, and those that follow one, in every branch.
import assert from 'node:assert/strict';
import { before, describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { HANG_MS, test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';

describe('a page that is not the end', () => {
  const context = withServer({ env: LOOPBACK, mock: true });
  const session = uniqueName('session');
  let user;
  let old; // ids of the first branch: five turns
  let young; // ids of the second: the first two turns, then three others

  const page = (query) => user.ok('GET', `/api/chat/sessions/${session}/messages?${query}`);
  const ids = ({ data }) => data.map((message) => message.id);

  before(async () => {
    user = await context.server.user();
    const model = await user.model(context.mock.url('echo=1'));
    const turns = [];
    for (let i = 0; i < 5; i += 1) turns.push(await user.say(model, session, `old ${i}`));
    old = turns.flatMap((turn) => [turn.user_message_id, turn.message_id]);
    const others = [await user.say(model, session, 'young 2', { parent_id: old[3] })];
    for (let i = 3; i < 5; i += 1) others.push(await user.say(model, session, `young ${i}`));
    young = [...old.slice(0, 4), ...others.flatMap((turn) => [turn.user_message_id, turn.message_id])];
  }, { timeout: HANG_MS });

  test('lies around a message, on the newest branch through it', async () => {
    for (const [branch, id] of [[old, old[5]], [young, young[5]], [young, young[1]], [old, old[9]], [old, old[8]]]) {
      const at = branch.indexOf(id);
      for (const limit of [1, 2, 5, 6, 20]) {
        const got = await page(`around=${id}&limit=${limit}`);
        const end = Math.min(at + Math.floor(limit / 2), branch.length - 1);
        const begin = Math.max(0, end - limit + 1);
        assert.deepEqual(ids(got), branch.slice(begin, end + 1), `${limit} around ${at}`);
        assert.deepEqual([got.has_more, got.has_newer], [begin > 0, end < branch.length - 1]);
        assert.deepEqual([got.cursor, got.leaf, got.newest], [branch[begin], branch.at(-1), young.at(-1)]);
        assert.ok(got.data.every((message) => message.siblings.includes(message.id)));
      }
    }
  });

  test('follows a message to the leaf that is named, each message once', async () => {
    for (const branch of [old, young]) {
      for (const limit of [1, 3, 4, 20]) {
        const seen = [branch[0]];
        for (let more = true; more;) {
          const got = await page(`after=${seen.at(-1)}&leaf=${branch.at(-1)}&limit=${limit}`);
          seen.push(...ids(got));
          assert.equal(got.has_newer, seen.length < branch.length);
          more = got.has_newer;
        }
        assert.deepEqual(seen, branch);
      }
    }
    const end = await page(`after=${old[9]}`);
    assert.deepEqual([end.data, end.cursor, end.has_newer, end.leaf], [[], 0, false, old[9]]);
    assert.deepEqual(ids(await page(`after=${old[2]}&limit=2`)), [old[3], young[4]], 'the newest when none is named');
  });

  test('other pages say nothing of it', async () => {
    assert.deepEqual(Object.keys(await page('limit=2')).sort(), ['cursor', 'data', 'has_more']);
  });

  test('is 404 for what is not there, not on the path, or not the caller\'s', async () => {
    const ask = (query, who = user) => who.get(`/api/chat/sessions/${session}/messages?${query}`);
    const elsewhere = await user.say('demo', uniqueName('elsewhere'), 'hi');
    for (const query of [`around=${elsewhere.message_id}`, `after=${elsewhere.message_id}`, 'around=9007199254740992',
      `around=${old[5]}&leaf=${young.at(-1)}`, `after=${young[5]}&leaf=${old.at(-1)}`, `around=${old[1]}&leaf=${elsewhere.message_id}`,
      `after=${old[9]}&leaf=${old[1]}`]) {
      assertError(await ask(query), 404, 'message_not_found');
    }
    assertError(await ask(`around=${old[1]}`, await context.server.user()), 404, 'session_not_found');
  });
});
