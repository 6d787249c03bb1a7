// late
// covers: examples/plugins/mcp, plugin, chat, tide
// The shipped plugin mcp: tools of servers that speak the Model Context Protocol, within replies.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { reloaded } from './support/bundle.mjs';
import { uniqueName } from './support/client.mjs';
import { HANG_MS, eventually, test, within } from './support/limits.mjs';
import { LISTS, left, startHostile, startModern, startOlder, startSwitch } from './support/mcp.mjs';
import { ROOT } from './support/process.mjs';
import { LOOPBACK, tidetalk } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';
import { event, sends, startUpstream } from './support/upstream.mjs';

const PATH = '/api/mcp/servers';
/** Behind a name that models cannot call as it is. */
const hash = createHash('sha256').update('chart.of day').digest('hex').slice(0, 8);

describe('the plugin mcp', () => {
  const context = withServer({ env: LOOPBACK });
  const running = [];
  let upstream;
  let model;
  /** Bodies of requests to the model. */
  const asked = [];

  /** A model that makes the calls which the message names, and says "done" when it has their results. */
  const answer = (request, response, body) => {
    asked.push(body);
    const last = body.messages.at(-1);
    const calls = last.role !== 'tool' && last.content.startsWith('[') ? JSON.parse(last.content) : [];
    const delta = calls.length === 0 ? { content: 'done' } : {
      tool_calls: calls.map(([name, args], index) => ({
        index, id: `c${index}`, type: 'function', function: { name, arguments: JSON.stringify(args) },
      })),
    };
    sends(`${event(delta)}${event({}, calls.length ? 'tool_calls' : 'stop')}data: [DONE]\n\n`)(request, response);
  };

  const start = async (promise) => {
    const server = await promise;
    running.push(server);
    return server;
  };

  before(async () => {
    upstream = await startUpstream();
    model = upstream.add(answer).url;
    cpSync(join(ROOT, 'examples/plugins/mcp'), join(context.server.home.folder, 'plugins/mcp'), { recursive: true });
  });
  after(() => [upstream, ...running].forEach((server) => server.stop()));

  const configure = async (settings) => {
    writeFileSync(join(context.server.home.folder, 'tidetalk.yaml'),
      `plugins:\n  mcp:\n${Object.entries(settings).map(([key, value]) => `    ${key}: ${JSON.stringify(value)}\n`).join('')}`);
    await reloaded(context.server);
  };

  const setup = async () => {
    const user = await context.server.user();
    const name = await user.model(model);
    return {
      user,
      /** The reply to a message that names calls. */
      say: (calls, session = uniqueName('session')) => user.stream(name, session, JSON.stringify(calls)),
    };
  };
  /** In the order of the calls, which run at the same time. */
  const resultsOf = (reader) => reader.stepList().filter((step) => step.tool_result)
    .sort((one, other) => one.tool_result.id.localeCompare(other.tool_result.id))
    .map(({ tool_result: { content, is_error: failed } }) => (failed ? { failed: content } : content));
  const toolNames = () => (asked.at(-1).tools ?? []).map((tool) => tool.function.name);

  const KINDS = [
    ['2026-07-28', () => startModern()],
    ['2025-11-25, with sessions', () => startOlder({ sessions: true })],
    ['2025-11-25, without sessions', () => startOlder({ sessions: false })],
    ['2025-11-25, answers in JSON', () => startOlder({ sessions: true, json: true })],
  ];
  KINDS.forEach(([kind, begin], index) => {
    test(`a server of the operator: ${kind}`, async () => {
      const mcp = await start(begin());
      const name = `kind${index}`;
      await configure({ servers: [`${name} ${mcp.url} never`], keys: [`${name}=s3cret`] });
      const { user, say } = await setup();
      const reader = await say([
        [`${name}__height`, { place: 'Faro – west' }], [`${name}__chart_of_day_${hash}`, { place: 'Faro' }],
        [`${name}__numbers`, {}], [`${name}__fail`, {}],
      ]);
      assert.equal(reader.text, 'done');
      assert.deepEqual(resultsOf(reader), [
        '3 m in Faro – west',
        'Here:\n[image image/png, 6 bytes]\n[link more: https://example.org/more]',
        '{"heights":[1,2.5]}',
        { failed: 'no water' },
      ]);
      assert.deepEqual(toolNames().length, 4);
      assert.ok(mcp.seen.every(({ headers }) => headers.authorization === 'Bearer s3cret'));
      await say([[`${name}__numbers`, {}]]);
      const call = mcp.of('tools/call').find(({ message }) => message.params.name === 'height');
      if (index === 0) {
        assert.equal(mcp.of('tools/list').length, 1, 'the list is kept');
        assert.equal(mcp.of('initialize').length, 0);
        assert.equal(call.headers['mcp-protocol-version'], '2026-07-28');
        assert.equal(call.headers['mcp-name'], 'height');
        assert.equal(call.headers['mcp-param-place'], `=?base64?${Buffer.from('Faro – west').toString('base64')}?=`);
      } else {
        assert.equal(mcp.of('tools/list').length, 2, 'in the new way first, and never again');
        assert.equal(mcp.of('initialize').length, 1);
        assert.equal(call.headers['mcp-protocol-version'], '2025-11-25');
        assert.equal(call.headers['mcp-param-place'], undefined);
      }
      const { data } = await user.ok('GET', PATH);
      assert.deepEqual(data.map((server) => [server.name, server.own, server.url, server.tools.length]), [[name, false, undefined, 4]]);
    });
  });

  test('a session is one user\'s, and one that the server forgets is begun again', async () => {
    const mcp = await start(startOlder({ sessions: true }));
    await configure({ servers: [`sea ${mcp.url} never`] });
    const [one, two] = [await setup(), await setup()];
    const call = [['sea__numbers', {}]];
    await one.say(call);
    await two.say(call);
    const [first, second] = mcp.of('tools/call').map(({ headers }) => headers['mcp-session-id']);
    assert.notEqual(first, second);
    mcp.forget();
    assert.deepEqual(resultsOf(await one.say(call)), ['{"heights":[1,2.5]}']);
    assert.equal(mcp.sessions(), 1);
  });

  test('a server that begins to speak the other revision is understood', async () => {
    const [older, modern] = [await startOlder({ sessions: true }), await startModern()];
    running.push(older, modern);
    let target = older;
    const proxy = await start(startSwitch(() => target));
    await configure({ servers: [`sea ${proxy.url} never`] });
    const { say } = await setup();
    const call = [['sea__numbers', {}]];
    for (const next of [older, modern, older]) {
      target = next;
      assert.deepEqual(resultsOf(await say(call)), ['{"heights":[1,2.5]}']);
    }
  });

  test('calls wait for their user, unless the operator says never', async () => {
    const mcp = await start(startModern());
    await configure({ servers: [`sea ${mcp.url} header=X-Api-Key`], keys: ['sea=s3cret'] });
    const { user, say } = await setup();
    const session = uniqueName('session');
    const reader = await say([['sea__height', { place: 'Faro' }]], session);
    assert.equal(reader.last.finish_reason, 'waiting');
    assert.equal(mcp.of('tools/call').length, 0);
    const { after: from } = await user.ok('POST', `/api/chat/sessions/${session}/approve`, {
      message_id: reader.last.message_id, approve: true,
    });
    const rest = await user.resume(session, from);
    await within(rest.end(), 'the rest', HANG_MS);
    assert.deepEqual(resultsOf(rest), ['3 m in Faro']);
    assert.equal(rest.text, 'done');
    assert.equal(mcp.of('tools/call')[0].headers['x-api-key'], 's3cret');
  });

  test('users have servers of their own', async () => {
    const mcp = await start(startModern());
    await configure({ servers: [`sea ${mcp.url} never`], user_servers: 2 });
    const { user, say } = await setup();
    const other = await setup();
    const mine = { name: 'mine', url: mcp.url, approve: 'never', token: 'my-t0ken' };
    const added = await user.ok('POST', PATH, mine);
    assert.deepEqual([added.own, added.url, added.approve, added.tools.length], [true, mcp.url, 'never', 4]);
    assert.ok(!JSON.stringify(added).includes('my-t0ken'));
    assert.deepEqual(resultsOf(await say([['mine__height', { place: 'Faro' }]])), ['3 m in Faro']);
    assert.equal(mcp.of('tools/call').at(-1).headers.authorization, 'Bearer my-t0ken');

    await other.say([]);
    assert.ok(!toolNames().includes('mine__height'), 'it is nobody else\'s');
    assert.deepEqual((await other.user.ok('GET', PATH)).data.map(({ name }) => name), ['sea']);
    assertError(await other.user.delete(`${PATH}/mine`), 404, 'mcp_server_not_found');
    assertError(await other.user.post(`${PATH}/mine/refresh`, {}), 404, 'mcp_server_not_found');

    assertError(await user.post(PATH, mine), 409, 'mcp_server_exists');
    assertError(await user.post(PATH, { ...mine, name: 'sea' }), 409, 'mcp_server_exists');
    for (const [field, change] of [
      ['url', { url: 'http://10.0.0.1/mcp' }], ['url', { url: 'http://169.254.169.254/' }], ['url', { url: 'file:///etc/passwd' }],
      ['name', { name: 'A b' }], ['header', { header: 'Host' }], ['header', { header: 'Mcp-Session-Id' }],
      ['token', { token: 'a\r\nX: b' }], ['approve', { approve: 'always' }],
    ]) {
      const refused = assertError(await user.post(PATH, { ...mine, name: 'two', ...change }), 400, 'invalid_field');
      assert.ok(refused.error.includes(field), refused.error);
    }
    assert.equal((await user.ok('POST', PATH, { name: 'two', url: mcp.url })).approve, 'ask');
    assertError(await user.post(PATH, { ...mine, name: 'three' }), 409, 'mcp_too_many_servers');

    const lists = mcp.of('tools/list').length;
    await user.ok('POST', `${PATH}/mine/refresh`, {});
    assert.equal(mcp.of('tools/list').length, lists + 1);
    await user.ok('DELETE', `${PATH}/mine`);
    assertError(await user.delete(`${PATH}/mine`), 404, 'mcp_server_not_found');
    await say([]);
    assert.ok(!toolNames().includes('mine__height') && toolNames().includes('two__height'));
  });

  test('a server that is down takes no turn along, and is told of', async () => {
    const dead = createServer();
    dead.listen(0, '127.0.0.1');
    await once(dead, 'listening');
    const url = `http://127.0.0.1:${dead.address().port}/mcp`;
    dead.close();
    const mcp = await start(startModern());
    await configure({ servers: [`dead ${url}`, `sea ${mcp.url} never`, 'no url', 'sea http://127.0.0.1/ never'] });
    const { user, say } = await setup();
    assert.deepEqual(resultsOf(await say([['sea__numbers', {}]])), ['{"heights":[1,2.5]}']);
    const { data } = await user.ok('GET', PATH);
    assert.deepEqual(data.map(({ name, problem }) => [name, problem]), [['dead', 'it cannot be reached'], ['sea', undefined]]);
    const wrong = context.server.log().split('\n').filter((line) => line.includes('a server of the settings cannot be used'));
    assert.ok(wrong.some((line) => line.includes('"no url"')) && wrong.some((line) => line.includes('sea http://127.0.0.1/ never')));

    mcp.stop(); // its list is known
    const reader = await say([['sea__numbers', {}]]);
    assert.deepEqual(resultsOf(reader), [{ failed: 'The server sea failed: it cannot be reached.' }]);
    assert.equal(reader.text, 'done');
  });

  test('an answer ends when its message has come, though its stream goes on', async () => {
    const mcp = await start(startHostile());
    await configure({ servers: [`calls ${mcp.url}/calls never`], timeout: 4 * HANG_MS });
    const { say } = await setup();
    const reader = await within(say([['calls__holds', {}]]), 'the reply', HANG_MS);
    assert.deepEqual(resultsOf(reader), ['3 m']);
    await eventually(() => left.count === 1, 'the stream is closed');
  });

  test('hostile servers take no turn along', async () => {
    const mcp = await start(startHostile());
    const kinds = Object.keys(LISTS);
    await configure({
      servers: [...kinds, 'calls'].map((kind) => `${kind} ${mcp.url}/${kind} never`),
      list_timeout: 3000, timeout: 1000, max_tools: 8,
    });
    const { user, say } = await setup();
    const calls = ['events', 'gone', 'large', 'long', 'strange', 'asks'].map((name) => [`calls__${name}`, {}]);
    const reader = await say(calls);
    assert.equal(reader.text, 'done');
    const results = resultsOf(reader);
    const [long] = results.splice(3, 1);
    assert.ok(long.length <= 65536 && long.endsWith('[The result was cut here.]'));
    assert.deepEqual(results, [
      { failed: 'The server calls failed: it did not answer in time.' },
      { failed: 'The server calls failed: it answered with status 503.' },
      { failed: 'The server calls failed: its answer is too large.' },
      '[ ]',
      { failed: 'The tool needs an answer from a person, and cannot get one here.' },
    ]);
    assert.deepEqual(toolNames().filter((name) => !name.startsWith('calls__')), [
      ...[0, 1, 2, 3, 4, 5, 6, 7].map((i) => `huge__t${i}`), 'schemas__good', 'schemas__twice',
    ]);
    const lists = mcp.of('tools/list').length;
    assert.equal((await say([])).text, 'done');
    assert.equal(mcp.of('tools/list').length, lists, 'those that failed are left alone for a while');
    const { data } = await user.ok('GET', PATH);
    assert.deepEqual(Object.fromEntries(data.filter(({ problem }) => problem).map(({ name, problem }) => [name, problem])), {
      large: 'its answer is too large',
      dense: 'its answer is no JSON-RPC',
      events: 'it did not answer in time',
      comments: 'its answer is no JSON-RPC',
      denied: 'it does not accept the token, or needs one',
      broken: 'it answered with status 500',
      moved: 'it answered with status 302',
      page: 'its answer is no JSON-RPC',
      another: 'its answer is no JSON-RPC',
    });
    assert.equal(mcp.seen.some(({ headers }) => headers.authorization), false);
    const check = await tidetalk(context.server.home, ['check']);
    assert.deepEqual([check.code, check.stderr], [0, ''], 'no private modules, no warning');
  });
});
