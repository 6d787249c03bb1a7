// late
// bytes
// covers: doors, chat, docs/openai.md
// /v1/responses without a client's library: the events, coming back to them, stored responses and what becomes
// of them.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { writeSql } from './support/grown.mjs';
import { HANG_MS, eventually, test } from './support/limits.mjs';
import { startMock } from './support/mock.mjs';
import {
  PATH, TOOL, assertRefused, create, gather, joined, readEvents, resume, shown, stream, textOf,
} from './support/responses.mjs';
import { copyScripts } from './support/scripts.mjs';
import { LOOPBACK, startServer } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

const WORDS = 'tok0 tok1 tok2 tok3 tok4 tok5 tok6 tok7 ';

describe('a stream', () => {
  const context = withServer({ env: LOOPBACK, mock: true });
  const setup = async (scenario) => {
    const user = await context.server.user();
    return { user, model: await user.model(context.mock.url(scenario)) };
  };

  const TEXT = (type) => [
    'response.output_item.added', 'response.content_part.added', `response.${type}.delta`,
    `response.${type}.done`, 'response.content_part.done', 'response.output_item.done',
  ];
  const THOUGHT = TEXT('reasoning_summary_text').map((type) => type.replace('content_part', 'reasoning_summary_part'));
  const BEGIN = ['response.created', 'response.in_progress'];

  test('has its events in order', async () => {
    const { user, model } = await setup('pace=2,reasoning=2');
    const events = await stream(user, { model, input: 'hi' });
    assert.deepEqual(joined(events).map((event) => event.type),
      [...BEGIN, ...THOUGHT, ...TEXT('output_text'), 'response.completed']);
    assert.equal(events[0].response.status, 'in_progress');
    assert.deepEqual(events[0].response.output, []);
    const { response } = events.at(-1);
    assert.equal(response.status, 'completed');
    assert.deepEqual(gather(events).map((item) => [item.type, item.text]),
      [['reasoning', 'think0 think1 '], ['message', WORDS]]);
    assert.deepEqual(gather(events), shown(response));
    assert.deepEqual(events.filter((event) => event.type === 'response.output_item.done').map((event) => event.item),
      response.output);
    assert.deepEqual(await user.ok('GET', `${PATH}/${response.id}`), response);
  });

  test('has a function call and its arguments', async () => {
    const { user, model } = await setup('tools=1');
    const events = await stream(user, { model, input: 'hi', tools: [TOOL] });
    assert.deepEqual(joined(events).map((event) => event.type), [
      ...BEGIN, 'response.output_item.added', 'response.function_call_arguments.delta',
      'response.function_call_arguments.done', 'response.output_item.done', 'response.completed',
    ]);
    const [call] = events.at(-1).response.output;
    assert.equal(call.type, 'function_call');
    assert.equal(call.name, TOOL.name);
    assert.doesNotThrow(() => JSON.parse(call.arguments));
    assert.deepEqual(gather(events), shown(events.at(-1).response));
    assert.equal(joined(events).at(-3).arguments, call.arguments);
  });

  test('ends as the reply does', async () => {
    for (const [scenario, type, status, reason] of [
      ['finish=length', 'response.incomplete', 'incomplete', 'max_output_tokens'],
      ['finish=content_filter', 'response.incomplete', 'incomplete', 'content_filter'],
      ['fault=close_mid,pace=2', 'response.failed', 'failed'],
    ]) {
      const { user, model } = await setup(scenario);
      const events = await stream(user, { model, input: 'hi' });
      const { response } = events.at(-1);
      assert.equal(events.at(-1).type, type);
      assert.equal(response.status, status);
      assert.equal(response.incomplete_details?.reason, reason);
      assert.equal(response.error !== null, status === 'failed');
      assert.equal(response.output.at(-1).status, 'incomplete');
      const told = await user.ok('GET', `${PATH}/${response.id}`);
      assert.deepEqual(told.output, response.output);
      assert.equal(told.error?.code, response.error?.code);
    }
  });

  for (const scenario of [
    'pace=2', 'reasoning=2,interleave=2,pace=2', 'tools=1,pace=2', 'text=%E6%BD%AE%F0%9F%8C%8A%E6%B1%90,size=4,pace=2',
  ]) {
    test(`is the same from every event on: ${scenario}`, async () => {
      const { user, model } = await setup(scenario);
      const events = await stream(user, { model, input: 'hi', tools: [TOOL] });
      const { id } = events.at(-1).response;
      const whole = joined(events);
      assert.deepEqual(joined(await resume(user, id, -1)), whole);
      for (const [i, event] of events.entries()) {
        const rest = await resume(user, id, event.sequence_number);
        assert.deepEqual(joined([...events.slice(0, i + 1), ...rest]), whole, `from ${event.sequence_number}`);
      }
      // Any number will do, whether an event had it or not; characters stay whole.
      const last = events.at(-1).sequence_number;
      for (let number = 0; number < last; number += 1 + Math.floor(last / 80)) {
        const rest = await resume(user, id, number);
        assert.deepEqual(rest.at(-1), events.at(-1), `from ${number}`);
        assert.ok(!JSON.stringify(rest).includes('\ufffd'));
      }
      assert.deepEqual(await resume(user, id, last), []);
      // Who knows more than there is (it was lost in a crash) is told what is left, in numbers behind that.
      const beyond = await readEvents(
        await user.fetch('GET', `${PATH}/${id}?stream=true&starting_after=${last + 1000}`));
      const numbers = beyond.map((event) => event.sequence_number);
      assert.deepEqual(numbers, [...new Set([last + 1000, ...numbers])].sort((x, y) => x - y).slice(1));
      assert.deepEqual(beyond.at(-1).response, events.at(-1).response);
      assert.ok(beyond.every((event) => !event.type.endsWith('.delta')));
    });
  }

  test('can be followed by several while it runs', async () => {
    const { user, model } = await setup('tokens=40,pace=20');
    const begun = await create(user, { model, input: 'hi', background: true });
    assert.equal(begun.status, 'in_progress');
    assert.equal(begun.background, true);
    const [first, second] = await Promise.all([resume(user, begun.id, -1), resume(user, begun.id, -1)]);
    assert.deepEqual(joined(first), joined(second));
    assert.equal(gather(first)[0].text.split(' ').length, 41);
    assert.deepEqual(await user.ok('GET', `${PATH}/${begun.id}`), first.at(-1).response);
  });

  test('goes on without its client, who comes back', async () => {
    const { user, model } = await setup('tokens=30,pace=10');
    const seen = await stream(user, { model, input: 'hi' }, {
      enough: (event) => event.type === 'response.output_text.delta',
    });
    const { id } = seen[0].response;
    const rest = await resume(user, id, seen.at(-1).sequence_number);
    assert.deepEqual(joined([...seen, ...rest]), joined(await resume(user, id, -1)));
    assert.equal(rest.at(-1).response.status, 'completed');
  });

  test('that is not stored ends with its client', async () => {
    const { user, model } = await setup('fault=endless,pace=5');
    await stream(user, { model, input: 'hi', store: false }, {
      enough: (event) => event.type === 'response.output_text.delta',
    });
    await eventually(async () => (await context.mock.stats()).active === 0, 'the upstream is let go');
  });
});

describe('a stored response', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  test('is continued, from any of those that there are', async () => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url('echo=1'));
    const first = await create(user, { model, input: 'one', instructions: 'only for this' });
    const second = await create(user, { model, input: 'two', previous_response_id: first.id });
    const other = await create(user, { model, input: 'another two', previous_response_id: first.id });
    const third = await create(user, { model, input: 'three', previous_response_id: second.id, instructions: 'new' });
    assert.deepEqual([first, second, other, third].map(textOf), ['one', 'two', 'another two', 'three']);
    assert.equal(third.previous_response_id, second.id);
    const [told] = await context.mock.requests(1);
    assert.deepEqual(told.json.messages, [
      { role: 'system', content: 'new' },
      ...['one', 'two'].flatMap((text) => [{ role: 'user', content: text }, { role: 'assistant', content: text }]),
      { role: 'user', content: 'three' },
    ]);
    // A link that is gone is named.
    const deleted = await user.ok('DELETE', `${PATH}/${first.id}`);
    assert.deepEqual(deleted, { id: first.id, object: 'response', deleted: true });
    assertRefused(await user.get(`${PATH}/${first.id}`), 404, 'response_not_found');
    assertRefused(await user.post(PATH, { model, input: 'four', previous_response_id: third.id }), 400,
      'previous_response_not_found', 'previous_response_id');
    assert.equal((await user.ok('GET', `${PATH}/${third.id}`)).status, 'completed');
  });

  test('lends its items to other requests', async () => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url('tools=1'));
    const first = await create(user, { model, input: 'how warm?', tools: [TOOL] });
    const [call] = first.output;
    const input = [
      { role: 'user', content: 'how warm?' },
      { type: 'item_reference', id: call.id },
      { type: 'function_call_output', call_id: call.call_id, output: 'warm' },
    ];
    const second = await create(user, { model, input, tools: [TOOL] });
    assert.equal(textOf(second), WORDS);
    const [told] = await context.mock.requests(1);
    assert.deepEqual(told.json.messages.map((message) => message.role), ['user', 'assistant', 'tool']);
    assert.equal(told.json.messages[1].tool_calls[0].id, call.call_id);
    // They were copied: what is deleted later is still there.
    await user.ok('DELETE', `${PATH}/${first.id}`);
    const items = await user.ok('GET', `${PATH}/${second.id}/input_items?order=asc`);
    assert.deepEqual(items.data.map((item) => item.type), ['message', 'function_call', 'function_call_output']);
  });

  test('tells its input items', async () => {
    const user = await context.server.user();
    const input = ['a', 'b', 'c'].map((content) => ({ role: 'user', content }));
    const { id } = await create(user, { model: 'demo', input });
    const path = `${PATH}/${id}/input_items`;
    const list = await user.ok('GET', path);
    assert.equal(list.object, 'list');
    assert.deepEqual(list.data.map(({ id: _, ...item }) => item), ['c', 'b', 'a'].map((text) => (
      { type: 'message', role: 'user', status: 'completed', content: [{ type: 'input_text', text }] })));
    assert.deepEqual([list.first_id, list.last_id, list.has_more], [list.data[0].id, list.data[2].id, false]);
    const page = await user.ok('GET', `${path}?order=asc&limit=1&after=${list.data[2].id}`);
    assert.deepEqual(page.data, [list.data[1]]);
    assert.equal(page.has_more, true);
    const single = await create(user, { model: 'demo', input: 'hello' });
    const { data } = await user.ok('GET', `${PATH}/${single.id}/input_items`);
    assert.deepEqual(data[0].content, [{ type: 'input_text', text: 'hello' }]);
  });

  test('is stopped', async () => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url('fault=endless,pace=5'));
    const begun = await create(user, { model, input: 'hi', background: true });
    const reading = resume(user, begun.id, -1);
    const early = await user.post(PATH, { model, input: 'more', previous_response_id: begun.id });
    assertRefused(early, 409, 'response_running');
    const cancelled = await user.ok('POST', `${PATH}/${begun.id}/cancel`);
    assert.equal(cancelled.status, 'cancelled');
    const events = await reading;
    assert.equal(events.at(-1).type, 'response.incomplete');
    assert.deepEqual(events.at(-1).response, cancelled);
    assert.deepEqual(await user.ok('POST', `${PATH}/${begun.id}/cancel`), cancelled, 'once is enough');
    await eventually(async () => (await context.mock.stats()).active === 0, 'the upstream is let go');
  });

  test('that is deleted while it runs ends', async () => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url('fault=endless,pace=5'));
    const begun = await create(user, { model, input: 'hi', background: true });
    await user.ok('DELETE', `${PATH}/${begun.id}`);
    await eventually(async () => (await context.mock.stats()).active === 0, 'the upstream is let go');
    assertRefused(await user.get(`${PATH}/${begun.id}`), 404, 'response_not_found');
  });

  test('is its owner\'s alone', async () => {
    const owner = await context.server.user();
    const stranger = await context.server.user();
    const { id, output } = await create(owner, { model: 'demo', input: 'hello' });
    for (const [method, path, sent] of [
      ['GET', ''], ['GET', '?stream=true'], ['DELETE', ''], ['POST', '/cancel', {}], ['GET', '/input_items'],
    ]) assertRefused(await stranger.request(method, `${PATH}/${id}${path}`, sent), 404, 'response_not_found');
    assertRefused(await stranger.post(PATH, { model: 'demo', input: 'x', previous_response_id: id }), 400,
      'previous_response_not_found');
    const reference = { type: 'item_reference', id: output[0].id };
    assertRefused(await stranger.post(PATH, { model: 'demo', input: [reference] }), 400, 'item_not_found');
    assert.equal((await owner.ok('GET', `${PATH}/${id}`)).id, id);
    // A chat of the owner's is no response.
    const { session_id: chat } = await owner.ok('POST', '/api/chat/session', { model_name: 'demo' });
    for (const method of ['GET', 'DELETE']) {
      assertRefused(await owner.request(method, `${PATH}/${chat}`), 404, 'response_not_found');
    }
  });

  test('is a session that lists show only when asked', async () => {
    const user = await context.server.user();
    await user.say('demo', 'chat-of-responses', 'hello');
    const { id } = await create(user, { model: 'demo', input: 'What are the tides?' });
    const unstored = await create(user, { model: 'demo', input: 'x', store: false });
    assertRefused(await user.get(`${PATH}/${unstored.id}`), 404, 'response_not_found');
    const list = async (query) => {
      const { data, pagination } = await user.ok('GET', `/api/chat/sessions${query}`);
      assert.equal(pagination.total, data.length);
      return data.map((session) => [session.SessionID, session.Title]);
    };
    assert.deepEqual((await list('')).map(([session]) => session), ['chat-of-responses']);
    assert.deepEqual(await list('?source=responses'), [[id, 'What are the tides?']]);
    const { data } = await user.ok('GET', `/api/chat/sessions/${id}/messages`);
    assert.deepEqual(data.map((message) => message.role), ['user', 'assistant']);
    await user.ok('DELETE', `/api/chat/sessions/${id}`);
    assert.deepEqual(await list('?source=responses'), []);
    assert.equal((await list('')).length, 1);
    assertRefused(await user.get(`${PATH}/${id}`), 404, 'response_not_found');
  });
});

describe('after an end of the server', () => {
  let server;
  let mock;
  before(async () => {
    mock = await startMock();
    server = await startServer({ env: LOOPBACK });
  }, { timeout: HANG_MS });
  after(async () => {
    await server?.stop();
    server?.home.remove();
    await mock?.stop();
  }, { timeout: HANG_MS });

  test('responses are as they were, and one that ran has failed with its text', async () => {
    const user = await server.user();
    const model = await user.model(mock.url('reasoning=2,interleave=2,pace=2'));
    const events = await stream(user, { model, input: 'hi' });
    const { id } = events.at(-1).response;
    const endless = await user.model(mock.url('fault=endless,pace=5'));
    const begun = await create(user, { model: endless, input: 'hi', background: true });
    // More than one checkpoint of it.
    const seen = await readEvents(await user.fetch('GET', `${PATH}/${begun.id}?stream=true`), {
      enough: (event) => event.sequence_number > 40000,
    });
    await server.kill();
    await server.start();
    assert.deepEqual(joined(await resume(user, id, -1)), joined(events));
    const middle = events[Math.floor(events.length / 2)].sequence_number;
    const rest = await resume(user, id, middle);
    assert.deepEqual(rest.at(-1), events.at(-1));
    const cut = await user.ok('GET', `${PATH}/${begun.id}`);
    assert.equal(cut.status, 'failed');
    assert.equal(cut.error.code, 'interrupted');
    const [{ text }] = gather(seen);
    assert.ok(textOf(cut).length > 0, 'a part of it is there');
    assert.ok(text.startsWith(textOf(cut)) || textOf(cut).startsWith(text));
    const known = seen.find((event) => event.type === 'response.output_text.delta').sequence_number;
    const told = await resume(user, begun.id, known);
    assert.equal(told.at(-1).type, 'response.failed');
    assert.deepEqual(told.at(-1).response, cut);
  });

  test('responses that are too old are deleted, chats are not', async () => {
    const user = await server.user();
    const old = await create(user, { model: 'demo', input: 'old' });
    const recent = await create(user, { model: 'demo', input: 'recent' });
    await user.say('demo', 'chat-that-is-old', 'hello');
    await server.stop();
    const day = new Date(Date.now() - 31 * 24 * 3600 * 1000).toISOString();
    await writeSql(server.home,
      `UPDATE chat_sessions SET created_at = '${day}' WHERE session_id IN ('${old.id}', 'chat-that-is-old')`);
    const lua = copyScripts(server.home.folder);
    const file = join(lua, 'doors/stored_responses.lua');
    writeFileSync(file, readFileSync(file, 'utf8').replace('EXPIRE_MS = 60000', 'EXPIRE_MS = 20'));
    server.home.env.TIDETALK_LUA_DIR = lua;
    await server.start();
    await eventually(async () => (await user.get(`${PATH}/${old.id}`)).status === 404, 'the old response is deleted');
    assert.equal((await user.ok('GET', `${PATH}/${recent.id}`)).status, 'completed');
    const { data } = await user.ok('GET', '/api/chat/sessions');
    assert.deepEqual(data.map((session) => session.SessionID), ['chat-that-is-old']);
  });
});
