// late
// covers: chat
// A conversation as a file: all of its branches for programs, the newest for people.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';

describe('an export', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  /** A session with two turns, the second answered twice. */
  const setup = async (language) => {
    const user = await context.server.user(undefined, { language });
    const model = await user.model(context.mock.url('echo=1'));
    const session = uniqueName('session');
    await user.say(model, session, '一 # one');
    const second = await user.say(model, session, 'two "quoted" 🌊');
    const again = await user.say(model, session, undefined, { regenerate: second.message_id });
    return { user, session, second, again, path: `/api/chat/sessions/${session}/export` };
  };

  test('as JSON holds every branch', async () => {
    const { user, session, second, again, path } = await setup('en');
    for (const query of ['', '?format=json']) {
      const answer = await user.get(path + query);
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.headers.get('content-disposition'), `attachment; filename="${session}.json"`);
      const { session: row, messages } = answer.body;
      assert.deepEqual([row.SessionID, row.MessageCount], [session, 5]);
      assert.deepEqual(messages.map((m) => m.content), ['一 # one', '一 # one', 'two "quoted" 🌊',
        'two "quoted" 🌊', 'two "quoted" 🌊']);
      const replies = messages.filter((m) => m.parent_id === second.user_message_id).map((m) => m.id);
      assert.deepEqual(replies, [second.message_id, again.message_id]);
    }
  });

  test('as Markdown reads from the first message to the newest', async () => {
    for (const [language, names] of [['en', ['You', 'Assistant']], ['zh', ['我', '助手']]]) {
      const { user, session, path } = await setup(language);
      const answer = await user.get(`${path}?format=md`);
      assert.equal(answer.headers.get('content-type'), 'text/markdown; charset=utf-8');
      assert.equal(answer.headers.get('content-disposition'), `attachment; filename="${session}.md"`);
      assert.ok(answer.text.startsWith('# 一 # one\n'));
      const heads = [...answer.text.matchAll(/^## (\S+) ·/gm)].map((m) => m[1]);
      assert.deepEqual(heads, [...names, ...names], 'one reply to each message');
      assert.equal(answer.text.split('two "quoted" 🌊').length - 1, 2);
    }
  });

  test('of an empty session is whole', async () => {
    const { user } = await setup('en');
    const { session_id: session } = await user.ok('POST', '/api/chat/session', { model_name: 'demo' });
    assert.deepEqual((await user.ok('GET', `/api/chat/sessions/${session}/export`)).messages, []);
    assert.equal((await user.get(`/api/chat/sessions/${session}/export?format=md`)).status, 200);
  });

  test('is for the owner, in the forms that there are', async () => {
    const { user, path } = await setup('en');
    const stranger = await context.server.user();
    for (const query of ['', '?format=json', '?format=md']) {
      assertError(await stranger.get(path + query), 404, 'session_not_found');
    }
    assertError(await user.get(`${path}?format=pdf`), 400, 'invalid_field');
  });
});
