// covers: examples, serve, lib
// Every file of examples/, used as its head says: what it promises happens.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { eventually, test } from './support/limits.mjs';
import { startMock } from './support/mock.mjs';
import { ROOT, makeFolder, removeFolder, run } from './support/process.mjs';
import { copyScripts, nameHook, nameRoute, writeScript } from './support/scripts.mjs';
import { LOOPBACK, makeHome, startServer, tidetalk } from './support/server.mjs';

const EXAMPLES = join(ROOT, 'examples');
const all = ['hooks', 'routes'].flatMap((kind) => readdirSync(join(EXAMPLES, kind))
  .map((file) => ({ kind, file, name: file.replace('.lua', '') })));
const textOf = ({ kind, file }) => readFileSync(join(EXAMPLES, kind, file), 'utf8');

describe('examples', () => {
  const folders = [];
  after(() => folders.forEach(removeFolder));

  /** A copy of the scripts with this example in it; `edit` changes its text first. */
  const apply = (example, edit = (text) => text) => {
    const folder = makeFolder();
    folders.push(folder);
    const lua = copyScripts(folder);
    const text = edit(textOf(example));
    writeScript(lua, `${example.kind}/${example.file}`, text);
    (example.kind === 'hooks' ? nameHook : nameRoute)(lua, example.name);
    return lua;
  };

  /** Runs `body` with a server that has the example, and a user whose model is the mock's scenario. */
  const using = async (name, scenario, body, edit) => {
    const lua = apply(all.find((example) => example.name === name), edit);
    const mock = await startMock();
    const server = await startServer({ env: { ...LOOPBACK, TIDETALK_LUA_DIR: lua } });
    try {
      const user = await server.user();
      const model = await user.model(mock.url(scenario), { model_name: 'gpt-4o' });
      await body({ user, server, model, session: uniqueName('session') });
      await server.stop();
    } finally {
      server.home.remove();
      await mock.stop();
    }
  };

  for (const example of all) {
    test(`${example.file} tells how to use it and passes the check and luacheck`, async () => {
      const head = textOf(example).split('\n\n')[0].replaceAll('--- ', '').replaceAll('\n', ' ');
      assert.ok(head.includes(`copy it to lua/${example.kind}/`), head);
      assert.ok(head.includes(`require "${example.kind}.${example.name}",`), head);
      assert.ok(head.includes(example.kind === 'hooks' ? 'lua/hooks.lua' : 'lua/app.lua'), head);
      assert.ok(readFileSync(join(EXAMPLES, 'README.md'), 'utf8').includes(`${example.kind}/${example.file}`));
      const home = makeHome({ env: { TIDETALK_LUA_DIR: apply(example) } });
      folders.push(home.folder);
      const check = await tidetalk(home, ['check']);
      assert.equal(check.code, 0, check.stderr);
      assert.equal(check.stderr, '', 'no warning');
      const lint = await run('luacheck', ['-q', join('examples', example.kind, example.file)], { cwd: ROOT });
      assert.equal(lint.code, 0, lint.stdout);
    });
  }

  test('coin.lua is a route in ten lines', async () => {
    await using('coin', '', async ({ user, server }) => {
      assert.match((await user.ok('GET', '/api/coin')).side, /^(heads|tails)$/);
      assert.equal((await server.client().get('/api/coin')).status, 401);
    });
    const lines = textOf(all.find(({ name }) => name === 'coin')).split('\n\n')[1].trim().split('\n');
    assert.ok(lines.filter((line) => /\w/.test(line)).length <= 10);
  });

  test('persona_by_hour.lua changes the prompt at night only', async () => {
    const between = (begins, ends) => (text) => {
      const edited = text.replace('NIGHT_ENDS = 22, 6', `NIGHT_ENDS = ${begins}, ${ends}`);
      assert.notEqual(edited, text);
      return edited;
    };
    const ask = async ({ user, model, session }) => (await user.say(model, session, 'hi')).response;
    await using('persona_by_hour', 'echo=system', async (given) => {
      assert.match(await ask(given), /一个测试用的人设[^]*It is late at night/);
    }, between(0, 0));
    await using('persona_by_hour', 'echo=system', async (given) => {
      assert.doesNotMatch(await ask(given), /It is late at night/);
    }, between(24, 0));
  });

  test('title_by_model.lua puts the model into the first title', async () => {
    await using('title_by_model', '', async ({ user, model, session }) => {
      const title = async () => (await user.ok('GET', '/api/chat/sessions')).data[0].Title;
      await user.say(model, session, 'Tides');
      assert.equal(await title(), 'Tides · gpt-4o');
      await user.say('demo', session, 'more');
      assert.equal(await title(), 'Tides · gpt-4o');
    });
  });

  test('rate_limit.lua refuses with 429 and when to come again', async () => {
    await using('rate_limit', '', async ({ user, model, session }) => {
      const send = (name) => user.post('/api/chat/message', { session_id: session, model_name: name, message: 'hi' });
      for (let i = 0; i < 5; i += 1) assert.equal((await send(model)).status, 200);
      const refused = await send(model);
      assert.equal(refused.status, 429);
      assert.ok(Number(refused.headers.get('retry-after')) >= 1);
      assert.equal((await send('demo')).status, 200, 'the other models have their own limit');
    });
  });

  test('word_filter.lua masks words across deltas, in the stream and in what is stored', async () => {
    const told = 'A moonshine, moonlight, 妖怪，妖精 moonshin';
    const wanted = 'A ***, moonlight, ***，妖精 moonshin';
    for (const size of [1, 3, 1000]) {
      await using('word_filter', `text=${encodeURIComponent(told)},size=${size}`, async ({ user, model, session }) => {
        const reader = await user.stream(model, session, 'hi');
        assert.equal(reader.text, wanted, `size ${size}`);
        assert.equal((await user.messages(session))[1].content, wanted);
      });
    }
  });

  test('audit_log.lua tells changes and replies, and no reading', async () => {
    await using('audit_log', 'tokens=4,usage=1', async ({ user, model, session, server }) => {
      await user.say(model, session, 'hi');
      await user.ok('GET', '/api/chat/sessions');
      const refused = await user.delete('/api/chat/sessions/none');
      assert.equal(refused.status, 404);
      const audit = () => server.log().split('\n').filter((line) => line.includes('"audit"')).map((line) => JSON.parse(line));
      await eventually(() => audit().some((entry) => entry.what === 'reply of gpt-4o'), 'the reply is told');
      const entries = audit();
      const reply = entries.find((entry) => entry.what === 'reply of gpt-4o');
      assert.deepEqual([reply.user_id, reply.outcome, reply.tokens], [user.user.id, 'complete', 4]);
      const removed = entries.find((entry) => entry.what === 'DELETE /api/chat/sessions/:session_id');
      assert.deepEqual([removed.user_id, removed.outcome], [user.user.id, 'session_not_found']);
      assert.ok(entries.some((entry) => entry.what === 'POST /api/chat/message' && entry.outcome === 200));
      assert.ok(!entries.some((entry) => entry.what.startsWith('GET')));
    });
  });
});
