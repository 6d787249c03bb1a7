// late
// postgres
// covers: chat, db, tide
// Finding messages by what they say.
import assert from 'node:assert/strict';
import { before, describe } from 'node:test';
import { reloaded } from './support/bundle.mjs';
import { HANG_MS, eventually, test } from './support/limits.mjs';
import { putPlugin, removePlugins } from './support/plugins.mjs';
import { LOOPBACK } from './support/server.mjs';
import { TIME, assertError, keysOf, withServer } from './support/suite.mjs';

describe('search', () => {
  const context = withServer({ env: LOOPBACK, mock: true });
  let user;
  before(async () => {
    user = await context.server.user();
    await user.model(context.mock.url('echo=1'));
    for (const [session, message] of [
      ['sea', 'The tide comes in with the moon.'], ['sea', '今天的潮水涨得很高'],
      ['land', 'Nothing about water here: "quoted" AND (odd) * signs - and & more'], ['land', '明月几时有，把酒问青天'],
      ['city', '我明天去北京看海'],
    ]) await user.say('model-1', session, message);
  }, { timeout: HANG_MS });

  const find = async (q, more = '') => user.ok('GET', `/api/chat/search?q=${encodeURIComponent(q)}${more}`);

  test('finds words and Chinese of one and two characters', async () => {
    for (const [q, session, count] of [
      ['tide', 'sea', 2], ['MOON', 'sea', 2], ['tide moon', 'sea', 2], ['潮水', 'sea', 2], ['潮', 'sea', 2],
      ['明月', 'land', 2], ['青天', 'land', 2], ['quoted', 'land', 2], ['signs - and & more', 'land', 2], ['-', null, 0], ['lighthouse', null, 0], ['月明', null, 0],
      ['北京', 'city', 2], ['京北', null, 0],
    ]) {
      const { data, pagination } = await find(q);
      assert.equal(data.length, count, q);
      assert.equal(pagination.total, count, q);
      assert.ok(data.every((found) => found.session_id === session), q);
    }
  });

  test('tells where it stands', async () => {
    const { data: [found] } = await find('tide');
    assert.deepEqual(keysOf(found), ['created_at', 'message_id', 'role', 'session_id', 'snippet', 'title']);
    const message = (await user.messages('sea')).find((m) => m.id === found.message_id);
    assert.equal(found.role, message.role);
    assert.match(found.snippet, /tide/);
    assert.match(found.created_at, TIME);
    assert.match(found.title, /^The tide/);
  });

  test('goes by pages', async () => {
    const { data, pagination } = await find('潮', '&page=2&page_size=1');
    assert.equal(data.length, 1);
    assert.deepEqual(pagination, { page: 2, page_size: 1, total: 2, total_pages: 2 });
  });

  test('takes any text for what it is', async () => {
    for (const q of ['"', '*', '"quoted" AND (odd)', 'NOT', 'a OR b', 'content:tide', '^tide', '-', '(', "'; --",
      'owner : "u1"', 'NEAR(tide moon)', '{owner}', '🌊', '%', '\\']) {
      const answer = await user.get(`/api/chat/search?q=${encodeURIComponent(q)}`);
      assert.equal(answer.status, 200, `${q}: ${answer.text}`);
    }
    // No text has U+0000: what stands for it stays as it came.
    assert.equal((await user.get('/api/chat/search?q=%00')).status, 200);
    for (const query of ['', '?q=', '?q=%20%20']) {
      assertError(await user.get(`/api/chat/search${query}`), 400, 'missing_field');
    }
  });

  test("shows nobody else's messages, and no deleted ones", async () => {
    const stranger = await context.server.user();
    for (const q of ['tide', '潮', 'tide OR moon', 'owner:u1', `u${user.user.id}`]) {
      const { data, pagination } = await stranger.ok('GET', `/api/chat/search?q=${encodeURIComponent(q)}`);
      assert.deepEqual([data, pagination.total], [[], 0]);
    }
    await stranger.model(context.mock.url('echo=1'));
    await stranger.say('model-1', 'strangers-sea', 'A tide of my own');
    assert.equal((await stranger.ok('GET', '/api/chat/search?q=tide')).data.length, 2);
    await stranger.ok('DELETE', '/api/chat/sessions/strangers-sea');
    assert.equal((await stranger.ok('GET', '/api/chat/search?q=tide')).data.length, 0);
    assert.equal((await find('tide')).data.length, 2);
  });

  // 8 MB of words that are all different: indexed whole, they held every commit for half a minute.
  test('a reply of 8 MB delays nobody, and is found when it is indexed', async () => {
    const [talker, stranger] = await Promise.all([context.server.user(), context.server.user()]);
    await talker.model(context.mock.url('tokens=800000'));
    await stranger.model(context.mock.url('echo=1'));
    await talker.say('model-1', 'long', 'Tell me everything');
    await stranger.say('model-1', 'short', 'Good morning');
    const hits = async (q) => (await talker.ok('GET', `/api/chat/search?q=${q}`)).data.length;
    assert.equal(await hits('everything'), 1);
    assert.equal((await stranger.ok('GET', '/api/chat/search?q=morning')).data.length, 2);
    await eventually(async () => await hits('tok17') === 1, 'its beginning is found');
    await talker.ok('DELETE', '/api/chat/sessions/long');
    assert.equal((await talker.ok('GET', '/api/chat/search?q=tok17')).data.length, 0);
  });

  test('the end of a long reply is found, and words that stand far from each other', async () => {
    const talker = await context.server.user();
    await talker.model(context.mock.url('tokens=30000'));
    await talker.say('model-1', 'long', 'Tell me more');
    await eventually(async () =>
      (await talker.ok('GET', '/api/chat/search?q=tok29999')).data.length === 1, 'its end is found');
    const { data: [found], pagination } = await talker.ok('GET', '/api/chat/search?q=tok17%20tok29998');
    assert.equal(pagination.total, 1);
    assert.match(found.snippet, /tok17 /);
    assert.equal((await talker.ok('GET', '/api/chat/search?q=tok17%20tok30000')).data.length, 0);
  });

  test('a message of one word, 170,000 times, has a snippet too', async () => {
    const talker = await context.server.user();
    await talker.model(context.mock.url('echo=1,size=65536'));
    await talker.say('model-1', 'hello', 'hello '.repeat(170_000));
    const data = await eventually(async () => {
      const found = await talker.ok('GET', '/api/chat/search?q=hello%20hel');
      return found.data.length === 2 && found.data;
    }, 'both are found');
    for (const { snippet } of data) assert.match(snippet, /^(hello ){20,49}hello…$/);
  });

  describe('what tools did', () => {
    const putTool = async (result) => {
      putPlugin(context.server, 'tides/plugin.lua', `return { api = 1, tools = { get_weather = {
        description = "The tide", parameters = { type = "object" }, run = function() return ${result} end } } }`);
      await reloaded(context.server);
    };
    const ask = async (session) => {
      const talker = await context.server.user();
      const model = await talker.model(context.mock.url('tools=1'));
      await talker.stream(model, session, 'how high?');
      return async (q) => (await talker.ok('GET', `/api/chat/search?q=${encodeURIComponent(q)}`)).data;
    };

    test('is found like what the reply says', async () => {
      await putTool('"spring tide of 7 m, 潮水很高\\nand " .. ("wave "):rep(200) .. "at the breakwater"');
      const hits = await ask('steps');
      for (const [q, count, snippet] of [
        ['get_weather', 1, /get_weather/], ['潮水', 1, /潮水/], ['spring tok3', 1, /tok3/], ['"7 m', 1, /7 m/],
        ['breakwater', 1, /breakwater/], ['breakw', 1, /breakwater/], ['tok3 get_weather', 1, /tok3/],
        ['spring lighthouse', 0], ['tool_call', 0], ['arguments', 0], ['call_', 0], ['tool_result', 0],
      ]) {
        const found = await hits(q);
        assert.equal(found.length, count, q);
        if (count) assert.match(found[0].snippet, snippet, q);
        if (count) assert.equal(found[0].role, 'assistant');
      }
    });

    test('is found when it is long', async () => {
      await putTool('("wave "):rep(12000) .. "breakwater"');
      const hits = await ask('long-steps');
      const [found] = await eventually(async () => {
        const data = await hits('breakwater');
        return data.length === 1 && data;
      }, 'its end is found');
      assert.match(found.snippet, /breakwater/);
      assert.equal((await hits('tok3 breakwater')).length, 1);
      removePlugins(context.server);
      await reloaded(context.server);
    });
  });
});
