// late
// postgres
// covers: plugin, db, app/reload, app/cli
// Own data of plugins: migrations that come with a reload, and what happens to them later.
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe } from 'node:test';
import { reload, reloaded } from './support/bundle.mjs';
import { psql } from './support/databases.mjs';
import { test } from './support/limits.mjs';
import { putPlugin, removePlugins } from './support/plugins.mjs';
import { tidetalk } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

/** Notes of the caller; the list has the columns of the version. */
const plugin = (columns) => `
local db, json = require "tide.db", require "tide.json"
return {
  api = 1,
  routes = {
    { method = "POST", path = "/api/notes", auth = "user", summary = "Write a note.",
      request = { fields = { { name = "text", type = "string", required = true } } },
      handler = function(req)
        local done, err = db.write({
          { "INSERT INTO notes_texts (user_id, text) VALUES (?, ?)", { req.user.id, req.body.text } },
        })
        return done and { json = {} }, err
      end },
    { method = "GET", path = "/api/notes", auth = "user", summary = "The notes.",
      handler = function(req)
        local rows, err = db.query("SELECT ${columns} FROM notes_texts WHERE user_id = ?", { req.user.id })
        return rows and { json = { data = json.array(rows) } }, err
      end },
  },
}`;

const FIRST = `CREATE TABLE notes_texts (
  id INTEGER PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  text TEXT NOT NULL
);`;

describe('data of plugins', () => {
  const context = withServer({ env: { TIDETALK_LIMITS_MIGRATION_TIME: '300ms' } });
  let user;
  const put = (path, text) => {
    const file = join(context.server.home.folder, 'plugins/notes', path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  };
  const check = async (env = {}) => {
    const run = await tidetalk(context.server.home, ['plugin', 'check', 'notes'], { env });
    return { code: run.code, text: (run.stdout + run.stderr).replaceAll(`${context.server.home.folder}/`, '') };
  };
  const notes = async () => (await user.get('/api/notes')).body.data;

  test('the tables come with the reload that brings the plugin', async () => {
    const { server } = context;
    user = await server.user('notes');
    put('plugin.lua', plugin('text'));
    put('migrations/0001_texts.sql', FIRST);
    assert.equal((await reload(server, '?dry_run=1')).status, 200);
    await reloaded(server);
    assert.equal((await user.post('/api/notes', { text: 'ebb' })).status, 200);
    assert.deepEqual(await notes(), [{ text: 'ebb' }]);
  });

  test('a migration that fails refuses the reload, and everything stays', async () => {
    const { server } = context;
    put('migrations/0002_mood.sql', '-- the mood\nALTER TABLE users ADD COLUMN mood TEXT;\n');
    put('plugin.lua', plugin('text, mood'));
    const refusal = await reload(server);
    assert.equal(refusal.status, 422);
    const [{ file, line, message }] = refusal.body.errors;
    assert.equal(`${file}:${line}`, 'plugins/notes/migrations/0002_mood.sql:2');
    assert.match(message, /users is not a table of the plugin.* a table of your own, with a foreign key/);
    assert.deepEqual(await notes(), [{ text: 'ebb' }]);
  });

  test('check tells what a reload would refuse, and touches no data', async () => {
    const { server } = context;
    const told = /^plugins\/notes\/migrations\/0002_mood.sql:2:1: error: users is not a table of the plugin.*\(migration_failed\)$/m;
    putPlugin(server, 'other/plugin.lua', 'return { api = 1 }');
    putPlugin(server, 'other/migrations/0001_a.sql', 'CREATE TABLE other_a (id INTEGER);\nDROP TABLE nothing;');
    const { code, text } = await check();
    assert.equal(code, 1, text);
    assert.match(text, told);
    assert.doesNotMatch(text, /other/);
    const all = await tidetalk(server.home, ['check', '--json']);
    assert.deepEqual(JSON.parse(all.stdout).map(({ file, line }) => `${file.split('plugins/')[1]}:${line}`),
      ['notes/migrations/0002_mood.sql:2', 'other/migrations/0001_a.sql:2']);
    removePlugins(server, 'other');

    put('migrations/0001_texts.sql', `${FIRST}\n-- changed`);
    assert.match((await check()).text, /0001_texts.sql:1:1: error: was changed after it was applied.*\(migration_changed\)/);
    put('migrations/0001_texts.sql', FIRST);
    put('migrations/0002_mood.sql', "ALTER TABLE notes_texts ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm';");
    assert.deepEqual(await check(), { code: 0, text: 'ok: notes\n' });
    const unreachable = await check({ TIDETALK_DATABASE_URL: 'postgres://a:b@127.0.0.1:1/none' });
    assert.equal(unreachable.code, 0);
    assert.match(unreachable.text, /^migrations of plugins: warning: cannot open the database: .*\(database_unavailable\)$/m);
    const { name } = server.home.database;
    if (name) assert.equal(psql(name, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'tidetalk%'"), '0');
    assert.deepEqual(await notes(), [{ text: 'ebb' }]);
  });

  test('older scripts work with newer tables after a rollback, and after a restart', async () => {
    const { server } = context;
    put('migrations/0002_mood.sql', "ALTER TABLE notes_texts ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm';");
    await reloaded(server);
    assert.deepEqual(await notes(), [{ text: 'ebb', mood: 'calm' }]);
    assert.equal((await tidetalk(server.home, ['rollback'])).code, 0);
    assert.deepEqual(await notes(), [{ text: 'ebb' }]);
    assert.equal((await user.post('/api/notes', { text: 'flood' })).status, 200);
    await server.stop();
    await server.start(); // the newer scripts are on the disk, and were rolled back
    assert.deepEqual(await notes(), [{ text: 'ebb' }, { text: 'flood' }]);
    assert.equal((await tidetalk(server.home, ['reload', '--force'])).code, 0);
    assert.deepEqual(await notes(), [{ text: 'ebb', mood: 'calm' }, { text: 'flood', mood: 'calm' }]);
  });

  test('what takes too long for a running server is for tidetalk migrate', async () => {
    const { server } = context;
    put('migrations/0003_many.sql', `CREATE TABLE notes_numbers (n INTEGER);
WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 3000000)
INSERT INTO notes_numbers SELECT count(*) FROM n;`);
    const refusal = await reload(server);
    assert.equal(refusal.status, 422);
    assert.match(refusal.body.errors[0].message, /^takes longer than 300 ms.* run `tidetalk migrate`/);
    assert.equal(refusal.body.errors[0].line, 2);
    const listed = await tidetalk(server.home, ['migrate']);
    assert.equal(listed.code, 0, listed.stderr);
    assert.match(listed.stdout, /\nnotes 0001 texts done\nnotes 0002 mood done\nnotes 0003 many applied\n$/);
    await reloaded(server);
  });

  test('plugin remove --data deletes the tables', async () => {
    const { server } = context;
    rmSync(join(server.home.folder, 'plugins/notes'), { recursive: true });
    await reloaded(server);
    const run = await tidetalk(server.home, ['plugin', 'remove', 'notes', '--data']);
    assert.equal(run.code, 0, run.stderr);
    assert.match(run.stdout, /^DROP table IF EXISTS "notes_numbers";\nDROP table IF EXISTS "notes_texts";\n/m);
    put('plugin.lua', plugin('text'));
    put('migrations/0001_texts.sql', FIRST);
    await reloaded(server, '?force=1');
    assert.deepEqual(await notes(), []);
  });
});
