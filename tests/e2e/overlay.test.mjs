// covers: script, app/settings, app/reload, app/cli
// Several folders of scripts: an overlay with a few files before the scripts that it changes.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe } from 'node:test';
import { reload, reloaded } from './support/bundle.mjs';
import { test } from './support/limits.mjs';
import { ROOT, makeFolder, removeFolder } from './support/process.mjs';
import { writeScript } from './support/scripts.mjs';
import { tidetalk } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

describe('an overlay', () => {
  const folder = makeFolder();
  const [mine, base] = [join(folder, 'mine'), join(folder, 'base')];
  mkdirSync(mine);
  cpSync(join(ROOT, 'lua'), base, { recursive: true });
  const context = withServer({ env: { TIDETALK_SCRIPTS: `${mine},${base}` } });
  after(() => removeFolder(folder));

  const shipped = readFileSync(join(base, 'policy/title.lua'), 'utf8');
  const titled = async (user, id) => {
    await user.post('/api/chat/message', {
      session_id: id, model_name: 'demo', message: 'Why are there two tides a day and not one?',
    });
    return (await user.get('/api/chat/sessions')).body.data[0].Title;
  };
  const diff = async () => {
    const run = await tidetalk(context.server.home, ['diff']);
    return { code: run.code, text: run.stdout + run.stderr };
  };

  test('its file is used instead of the shipped one, and diff shows both', async () => {
    const { server } = context;
    const user = await server.user('overlay');
    assert.equal(await titled(user, 'one'), 'Why are there two ti…');
    assert.deepEqual(await diff(), { code: 0, text: '' });
    writeScript(mine, 'policy/title.lua', shipped.replace('M.LENGTH = 20', 'M.LENGTH = 8'));
    assert.match((await diff()).text, /mine\/policy\/title.lua shadows .*base\/policy\/title.lua: not loaded yet/);
    const answer = await reloaded(server);
    assert.deepEqual(answer.changed, ['policy/title.lua']);
    assert.equal(await titled(user, 'two'), 'Why are…');
    const loaded = await diff();
    assert.equal(loaded.code, 0);
    assert.match(loaded.text, /base\/policy\/title.lua: unchanged since 20/);
  });

  test('a base that changes is told, with the text as it was', async () => {
    const { server } = context;
    writeScript(base, 'policy/title.lua', `${shipped}-- A newer version.\n`);
    assert.equal((await reload(server)).body.unchanged, true); // what is not used changes nothing
    const told = await diff();
    assert.equal(told.code, 1);
    const kept = told.text.match(/: changed since .*, when it was (\S+)\n/)[1];
    assert.equal(readFileSync(kept, 'utf8'), shipped);

    // Saved anew, it was written for the base of today.
    writeScript(mine, 'policy/title.lua', shipped.replace('M.LENGTH = 20', 'M.LENGTH = 9'));
    await reloaded(server);
    assert.match((await diff()).text, /: unchanged since/);
    // Of a rollback the scripts come from the history, which knows no bases.
    assert.equal((await tidetalk(server.home, ['rollback'])).code, 0);
    assert.match((await diff()).text, /: unchanged since/);
  });

  test('mistakes are told with the file that has them', async () => {
    const { server } = context;
    writeScript(mine, 'hooks.lua', 'return {');
    writeScript(base, 'policy/quota.lua', 'return }');
    const run = await tidetalk(server.home, ['check']);
    assert.equal(run.code, 1);
    assert.match(run.stderr, /\/mine\/hooks.lua:1:\d+: error/);
    assert.match(run.stderr, /\/base\/policy\/quota.lua:1:\d+: error/);
  });

  test('a folder that is not there is told', async () => {
    const run = await tidetalk(context.server.home, ['check'], {
      env: { TIDETALK_SCRIPTS: join(folder, 'nowhere') },
    });
    assert.equal(run.code, 1);
    assert.match(run.stderr, /nowhere: .*No such file/);
    writeFileSync(join(folder, 'tidetalk.yaml'), `scripts: [${mine}, ${base}]\n`);
    const shown = await tidetalk(context.server.home, ['config', 'show', `--config=${join(folder, 'tidetalk.yaml')}`],
      { env: { TIDETALK_SCRIPTS: undefined } });
    assert.match(shown.stdout, /scripts = .*\/mine, .*\/base {2}#/);
  });
});
