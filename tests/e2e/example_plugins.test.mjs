// covers: plugin
// Every plugin of examples/plugins, dropped into a running server: what its head promises happens.
import assert from 'node:assert/strict';
import { cpSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { reload, reloaded } from './support/bundle.mjs';
import { uniqueName } from './support/client.mjs';
import { HANG_MS, eventually, test, within } from './support/limits.mjs';
import { ROOT } from './support/process.mjs';
import { LOOPBACK, tidetalk } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';
import { sends, startUpstream } from './support/upstream.mjs';

const EXAMPLES = join(ROOT, 'examples/plugins');
const LINES_MAX = 60;
/** All but the one that is no example, which mcp_plugin.test.mjs runs. */
const ALL = readdirSync(EXAMPLES).filter((name) => name !== 'mcp').sort();
const textOf = (name) => readFileSync(join(EXAMPLES, name, 'plugin.lua'), 'utf8');

describe('plugins of examples/', () => {
  const context = withServer({ env: LOOPBACK, mock: true });
  const tried = [];
  let upstream;
  before(async () => { upstream = await startUpstream(); });
  after(() => upstream.stop());

  const folderOf = (name) => join(context.server.home.folder, 'plugins', name);
  const settingsFile = () => join(context.server.home.folder, 'tidetalk.yaml');

  /** Settings of plugins: { NAME: { KEY: value } }. JSON is YAML. */
  const set = (settings) => {
    const lines = Object.entries(settings).map(([name, values]) => `  ${name}:\n${Object.entries(values)
      .map(([key, value]) => `    ${key}: ${JSON.stringify(value)}\n`).join('')}`);
    writeFileSync(settingsFile(), lines.length > 0 ? `plugins:\n${lines.join('')}` : '');
  };

  /** A test with these plugins, and only these: `without` sees the server before, `body` after. */
  const trying = (names, promise, { settings = {}, edit, without }, body) => {
    tried.push(names[0]);
    test(`${names.join(', ')}: ${promise}`, async () => {
      const { server } = context;
      const user = await server.user();
      await without(user);
      names.forEach((name) => cpSync(join(EXAMPLES, name), folderOf(name), { recursive: true }));
      if (edit) {
        const edited = edit(textOf(names[0]));
        assert.notEqual(edited, textOf(names[0]));
        writeFileSync(join(folderOf(names[0]), 'plugin.lua'), edited);
      }
      set(typeof settings === 'function' ? settings(user) : settings);
      try {
        await reloaded(server);
        await body(user);
        const check = await tidetalk(server.home, ['check']);
        assert.equal(check.code, 0, check.stderr);
        assert.equal(check.stderr, '', 'no warning');
      } finally {
        names.forEach((name) => rmSync(folderOf(name), { recursive: true }));
        set({});
        await reloaded(server);
      }
    });
  };

  /** A user who is an administrator. */
  const administrator = async () => {
    const { server } = context;
    const username = uniqueName('admin');
    const run = await tidetalk(server.home, ['user', 'add', username, '--admin'], { input: 'spring-tide\n' });
    assert.equal(run.code, 0, run.stderr);
    const client = server.client();
    client.token = (await client.ok('POST', '/api/login', { username, password: 'spring-tide' })).token;
    return client;
  };

  const missing = (path) => async (user) => assertError(await user.get(path), 404, 'not_found');
  const say = async (user, scenario, message = 'hi') => {
    const model = await user.model(context.mock.url(scenario));
    return (await user.say(model, uniqueName('session'), message)).response;
  };

  test('each has at most 60 lines, a line in README.md and a test', () => {
    assert.deepEqual([...tried].sort(), ALL);
    const readme = readFileSync(join(ROOT, 'examples/README.md'), 'utf8');
    for (const name of ALL) {
      assert.ok(textOf(name).trimEnd().split('\n').length <= LINES_MAX, name);
      assert.ok(readme.includes(`\`plugins/${name}\``), `README.md names ${name}`);
      assert.doesNotMatch(textOf(name), /require\(? *"(?!tide\.)/, `${name} needs only what is documented`);
    }
  });

  trying(['persona'], 'the prompt depends on language, hour and user', {
    settings: (user) => ({ persona: { night_begins: 0, night_ends: 24, experts: [String(user.user.id)] } }),
    without: async (user) => assert.doesNotMatch(await say(user, 'echo=system'), /late at night|basics/),
  }, async (user) => {
    assert.match(await say(user, 'echo=system'), /一个测试用的人设[^]*late at night[^]*Explain no basics/);
    const other = await context.server.user(undefined, { language: 'zh' });
    const prompt = await say(other, 'echo=system');
    assert.match(prompt, /夜深了/);
    assert.doesNotMatch(prompt, /basics/);
    set({ persona: { night_begins: 24, night_ends: 24 } });
    await reloaded(context.server);
    assert.doesNotMatch(await say(user, 'echo=system'), /late at night|basics/);
  });

  trying(['notices'], 'administrators write them, users read them', {
    without: missing('/api/notices'),
  }, async (user) => {
    assert.deepEqual((await user.ok('GET', '/api/notices')).data, []);
    assertError(await user.post('/api/admin/notices', { text: 'ebb' }), 403, 'forbidden');
    await (await administrator()).ok('POST', '/api/admin/notices', { text: 'ebb at six' });
    assert.deepEqual((await user.ok('GET', '/api/notices')).data.map(({ text }) => text), ['ebb at six']);
  });

  trying(['desk'], 'the model reads the list, and asks before it changes it', {
    without: async (user) => {
      const reader = await user.stream('demo', uniqueName('session'), 'add_task please');
      assert.equal(reader.last.finish_reason, 'stop');
      assert.deepEqual(reader.stepList(), []);
    },
  }, async (user) => {
    const session = uniqueName('session');
    const reader = await user.stream('demo', session, 'add_task please');
    assert.equal(reader.last.finish_reason, 'waiting');
    const [{ approval }] = reader.stepList();
    assert.equal(approval.name, 'add_task');
    const listed = async () => {
      const steps = (await user.stream('demo', uniqueName('session'), 'list_tasks please')).stepList();
      return JSON.parse(steps[1].tool_result.content).tasks.map(({ title }) => title);
    };
    assert.deepEqual(await listed(), []);
    const { after: position } = await user.ok('POST', `/api/chat/sessions/${session}/approve`, {
      message_id: reader.last.message_id, approve: true,
    });
    const rest = await user.resume(session, position);
    await within(rest.end(), 'the rest', HANG_MS);
    assert.equal(rest.last.finish_reason, 'stop');
    assert.deepEqual(await listed(), [approval.arguments.title]);
  });

  trying(['moderation'], 'refuses messages, masks addresses across pieces', {
    settings: { moderation: { words: ['moonshine'] } },
    without: async (user) => assert.equal(await say(user, 'echo=1', 'moonshine of a@b.org'), 'moonshine of a@b.org'),
  }, async (user) => {
    assertError(await user.post('/api/chat/message', {
      session_id: uniqueName('session'), model_name: 'demo', message: 'Some Moonshine',
    }), 422, 'message_refused');
    for (const size of [1, 3, 1000]) {
      const scenario = `text=${encodeURIComponent('Ask moon@sea.example.org. Or @me, b@c.de')},size=${size}`;
      const model = await user.model(context.mock.url(scenario));
      const session = uniqueName('session');
      const reader = await user.stream(model, session, 'whom?');
      assert.equal(reader.text, 'Ask [address]. Or @me, [address]', `size ${size}`);
      assert.equal((await user.messages(session))[1].content, reader.text);
    }
  });

  trying(['budget'], 'limits a minute, and a month by what the audit says', {
    settings: { budget: { per_minute: 1 } },
    without: async (user) => { for (let i = 0; i < 3; i += 1) await say(user, ''); },
  }, async () => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url('tokens=8,usage=1'));
    const send = () => user.post('/api/chat/message', {
      session_id: uniqueName('session'), model_name: model, message: 'hi',
    });
    // Of three, two are within the same minute.
    const answers = [await send(), await send(), await send()];
    assertError(answers.find(({ status }) => status !== 200), 429, 'limit_reached');
    set({ budget: { per_minute: 1000, tokens_per_month: 16 } });
    await reloaded(context.server);
    await eventually(async () => (await send()).body.code === 'budget_spent', 'the replies are in the audit');
    set({ budget: { per_minute: 1000 } });
    await reloaded(context.server);
    assert.equal((await send()).status, 200);
  });

  const JSON_TYPE = { 'Content-Type': 'application/json' };
  let report;
  trying(['digest'], 'a job counts, administrators read it, and it is sent until it arrives', {
    edit: (text) => text.replace('cron = "0 3 * * *", zone = "UTC"', 'every = 50'),
    settings: () => {
      report = upstream.add(sends('{}', JSON_TYPE));
      return { digest: { url: report.url } };
    },
    without: missing('/api/admin/digest'),
  }, async (user) => {
    assertError(await user.get('/api/admin/digest'), 403, 'forbidden');
    const admin = await administrator();
    const [day] = await eventually(async () => {
      const { data } = await admin.ok('GET', '/api/admin/digest');
      return data.length > 0 && data;
    }, 'a tick');
    assert.match(day.day, /^\d{4}-\d\d-\d\d$/);
    assert.ok(day.users > 0 && day.sessions > 0, JSON.stringify(day));
    const [sent] = await eventually(() => upstream.of(report.key).length > 0 && upstream.of(report.key), 'a report');
    assert.equal(sent.json.day, day.day);
  });

  trying(['harbor'], 'a provider with a language of its own', {
    without: async (user) => {
      const api = { api_name: 'h', api_key: 'k', model_name: 'ship', provider: 'harbor', base_url: context.mock.url('') };
      assert.notEqual((await user.post('/api/user/apis', api)).status, 200);
    },
  }, async (user) => {
    const { key, url } = upstream.add(sends([
      'event: part\ndata: {"parts":[{"kind":"thought","say":"hm"},{"kind":"word","say":"A"}]}\n\n',
      'event: part\ndata: {"parts":[{"kind":"word","say":"hoy"}]}\n\n',
      'event: bill\ndata: {"words":{"in":3,"out":2},"why":"done"}\n\n',
      'event: over\ndata: {"at":"2026-01-01"}\n\n',
    ].join('')));
    const model = await user.model(url, { provider: 'harbor' });
    const reader = await user.stream(model, uniqueName('session'), 'hi');
    assert.equal(reader.text, 'Ahoy');
    assert.equal(reader.last.finish_reason, 'stop');
    const [sent] = upstream.of(key);
    assert.equal(sent.headers['x-harbor-key'], user.apiKey);
    assert.deepEqual(sent.json.said.at(-1), { who: 'user', what: 'hi' });
  });

  const titleOf = async (user) => (await user.ok('GET', '/api/chat/sessions')).data[0].Title;
  trying(['titles'], 'a small model of the user makes the title', {
    settings: { titles: { models: ['tiny', 'small'] } },
    without: async (user) => {
      await say(user, '');
      assert.equal(await titleOf(user), 'hi');
    },
  }, async (user) => {
    const answer = JSON.stringify({ choices: [{ message: { content: ' Moon and\nsea ' }, finish_reason: 'stop' }] });
    const small = upstream.add(sends(answer, JSON_TYPE));
    const session = uniqueName('session');
    const model = await user.model(context.mock.url(''));
    // Without a model that answers the usual title stands.
    await say(user, '', 'And the wind?');
    assert.equal(await titleOf(user), 'And the wind?');
    await user.model(context.mock.url('status=500'), { model_name: 'tiny' });
    await user.model(small.url, { model_name: 'small' });
    await user.say(model, session, 'Why are there tides?');
    assert.equal(await titleOf(user), 'Moon and sea');
    await user.say(model, session, 'And why two?');
    const asked = upstream.of(small.key);
    assert.equal(asked.length, 1, 'only in the first turn');
    assert.equal(asked[0].json.max_tokens, 40);
    assert.equal(asked[0].json.messages[1].content, 'Why are there tides?');
  });

  let catalog;
  trying(['catalog'], 'asks another service with a secret key', {
    settings: () => {
      catalog = upstream.add(sends('{"data":[{"id":"ebb"},{"id":"flood"}]}', JSON_TYPE));
      return { catalog: { url: context.mock.url('status=500'), key: 's3cret' } };
    },
    without: missing('/api/catalog'),
  }, async (user) => {
    assertError(await user.get('/api/catalog'), 502, 'no_catalog');
    set({ catalog: { url: catalog.url, key: 's3cret' } });
    await reloaded(context.server);
    assert.deepEqual(await user.ok('GET', '/api/catalog'), { models: ['ebb', 'flood'] });
    assert.deepEqual(await user.ok('GET', '/api/catalog'), { models: ['ebb', 'flood'] });
    const asked = upstream.of(catalog.key);
    assert.equal(asked.length, 1, 'the answer is kept');
    assert.equal(asked[0].headers.authorization, 'Bearer s3cret');
  });

  const QUESTION = 'When do FERRIES leave?';
  trying(['handbook'], 'pages with words of the message are in the prompt', {
    without: async (user) => assert.doesNotMatch(await say(user, 'echo=system', QUESTION), /# Harbour/),
  }, async (user) => {
    const page = { title: 'Harbour', text: 'Our ferries leave at high tide.' };
    assertError(await user.put('/api/admin/handbook', page), 403, 'forbidden');
    const admin = await administrator();
    await admin.ok('PUT', '/api/admin/handbook', { ...page, text: 'There are no ferries.' });
    await admin.ok('PUT', '/api/admin/handbook', page);
    assert.match(await say(user, 'echo=system', QUESTION), /# Harbour\nOur ferries leave at high tide\.$/);
    assert.doesNotMatch(await say(user, 'echo=system', 'When do trains come?'), /# Harbour/);
    assert.doesNotMatch(await say(user, 'echo=system', '100 % of it?'), /# Harbour/);
  });

  trying(['countdown'], 'a page and a stream', {
    without: missing('/countdown'),
  }, async (user) => {
    const page = await user.get('/countdown');
    assert.match(page.headers.get('content-type'), /^text\/html/);
    assert.match(page.text, /new EventSource\("api\/countdown/);
    assertError(await user.get('/api/countdown?from=99'), 400, 'invalid_field');
    const pieces = [];
    const response = await user.fetch('GET', '/api/countdown?from=2');
    for await (const piece of response.body.pipeThrough(new TextDecoderStream())) pieces.push(piece);
    const end = 'id: 1\ndata: 1\n\nevent: tide\ndata: high tide\n\n';
    assert.equal(pieces.join(''), `id: 2\ndata: 2\n\n${end}`);
    assert.doesNotMatch(pieces[0], /high/, 'it is sent as it is written');
    const back = await user.get('/api/countdown?from=2', { headers: { 'Last-Event-ID': '2' } });
    assert.equal(back.text, end, 'a client that comes back goes on');
  });

  trying(['board', 'notices'], 'a plugin that needs another one', {
    settings: { board: { heading: 'News' } },
    without: missing('/board/notices'),
  }, async (user) => {
    await (await administrator()).ok('POST', '/api/admin/notices', { text: '<b>ebb</b> & flood' });
    const page = await user.get('/board/notices');
    assert.match(page.headers.get('content-type'), /^text\/html/);
    assert.match(page.text, /<h1>News<\/h1>\n<p class="new">&lt;b&gt;ebb&lt;\/b&gt; &amp; flood<\/p>/);
    assert.match((await user.get('/board/board.css')).text, /\.new/);
    const id = /value="(\d+)"/.exec(page.text)[1];
    const seen = await user.post('/board/notices', `id=${id}`, {
      headers: { 'Content-Type': 'application/x-www-form-urlencoded', Authorization: null },
    });
    assert.deepEqual([seen.status, seen.headers.get('location')], [303, '/board/notices']);
    const again = await user.get('/board/notices', { headers: { Cookie: seen.headers.get('set-cookie').split(';')[0] } });
    assert.match(again.text, /<p>&lt;b&gt;ebb/, 'it is not new any more');
    const older = textOf('notices').replace('version = "1.0"', 'version = "0.9"');
    writeFileSync(join(folderOf('notices'), 'plugin.lua'), older);
    const refusal = await reload(context.server);
    assert.equal(refusal.status, 422);
    assert.match(refusal.body.errors[0].message, /notices/);
    writeFileSync(join(folderOf('notices'), 'plugin.lua'), textOf('notices'));
  });
});
