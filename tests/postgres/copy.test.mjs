// tidetalk copy: SQLite -> PostgreSQL -> SQLite. The hashes are equal, and what users hold works on.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { makeDatabase, psql } from '../e2e/support/databases.mjs';
import { eventually, test } from '../e2e/support/limits.mjs';
import { startMock } from '../e2e/support/mock.mjs';
import { freePort } from '../e2e/support/process.mjs';
import { LOOPBACK, Server, makeHome, tidetalk } from '../e2e/support/server.mjs';

/** A home whose database may be changed. */
async function newHome() {
  const port = await freePort();
  const home = makeHome({ port, env: { ...LOOPBACK, TIDETALK_DATABASE_URL: '' } });
  home.port = port;
  home.use = (url) => { home.env.TIDETALK_DATABASE_URL = url; };
  return home;
}

function sqlite3(file, sql) {
  const { status, stderr } = spawnSync('sqlite3', ['-batch', file, sql], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

const copy = (home, from, to) => tidetalk(home, ['copy', '--from', from, '--to', to]);

/** {table: "rows hash"} of what the command printed. */
const tablesOf = (stdout) => Object.fromEntries([...stdout.matchAll(/^(\w+) +(\d+) rows? +(\w+)$/gm)]
  .map(([, table, rows, hash]) => [table, `${rows} ${hash}`]));

describe('tidetalk copy', () => {
  test('goes there and back with equal hashes; tokens, keys and sealed keys work', async () => {
    const mock = await startMock();
    const home = await newHome();
    const sqlite = `sqlite:${join(home.dataDir, 'tidetalk.db')}`;
    const database = makeDatabase();
    const plugin = join(home.folder, 'plugins/moon');
    mkdirSync(join(plugin, 'migrations'), { recursive: true });
    writeFileSync(join(plugin, 'plugin.lua'), 'return { api = 1 }');
    writeFileSync(join(plugin, 'migrations/0001_notes.sql'), `CREATE TABLE moon_notes (id INTEGER PRIMARY KEY, text TEXT,
      size REAL, bytes BLOB, user_id INTEGER REFERENCES users(id)); INSERT INTO moon_notes (text) VALUES ('from the migration');`);

    let server = await new Server(home, home.port).start();
    const user = await server.user();
    const model = await user.model(mock.url('echo=1'));
    await user.say(model, 'one', 'The tide is high 潮水');
    await user.say(model, 'two', 'A second session');
    const { key } = await user.ok('POST', '/api/keys', { name: 'laptop' });
    const { id: deleted } = await user.ok('POST', '/api/keys', { name: 'deleted' });
    await user.ok('DELETE', `/api/keys/${deleted}`);
    await server.stop();
    sqlite3(join(home.dataDir, 'tidetalk.db'), `DELETE FROM moon_notes; INSERT INTO moon_notes (id, text, size, bytes, user_id)
      VALUES (7, '潮', 0.1, x'00ff', 1), (9, NULL, NULL, NULL, NULL)`);

    const there = await copy(home, sqlite, database.url);
    assert.equal(there.code, 0, there.stderr);
    const tables = tablesOf(there.stdout);
    for (const [table, rows] of [['users', 1], ['api_keys', 1], ['user_apis', 1], ['chat_sessions', 2],
      ['chat_messages', 4], ['moon_notes', 2]]) {
      assert.match(tables[table] ?? '', new RegExp(`^${rows} [0-9a-f]{16}$`), table);
    }
    psql(database.name, "INSERT INTO moon_notes (text) VALUES ('new'); DELETE FROM moon_notes WHERE id = 10");
    const again = await copy(home, sqlite, database.url);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /has users already/);

    const second = `sqlite:${join(home.folder, 'back.db')}`;
    const back = await copy(home, database.url, second);
    assert.equal(back.code, 0, back.stderr);
    assert.deepEqual(tablesOf(back.stdout), tables);

    for (const url of [database.url, second]) {
      home.use(url);
      server = await new Server(home, home.port).start();
      assert.equal((await user.get('/api/profile')).status, 200); // the token
      assert.deepEqual((await user.messages('one')).map(({ content }) => content),
        ['The tide is high 潮水', 'The tide is high 潮水']);
      const models = await user.get('/v1/models', { headers: { Authorization: `Bearer ${key}` } });
      assert.equal(models.status, 200, models.text);
      await user.say(model, 'one', 'And again'); // the sealed key is opened
      await eventually(async () =>
        (await user.ok('GET', '/api/chat/search?q=%E6%BD%AE%E6%B0%B4')).data.length === 2, 'it is found');
      const made = await user.ok('POST', '/api/keys', { name: 'new' });
      assert.ok(made.id > deleted, 'no id is given out twice');
      await server.stop();
    }
    home.remove();
    database.remove();
    await mock.stop();
  });

  test('backup and restore name the tools for PostgreSQL, and what else to keep', async () => {
    const home = await newHome();
    const database = makeDatabase();
    home.use(database.url);
    for (const [word, tool] of [['backup', 'pg_dump'], ['restore', 'pg_restore']]) {
      const { code, stderr } = await tidetalk(home, [word, join(home.folder, 'file')]);
      assert.equal(code, 1);
      assert.match(stderr, new RegExp(`${tool}, and .* the secret file and the uploaded files`));
    }
    home.remove();
    database.remove();
  });

  test('refuses while a server uses a database, and without the tables of a plugin', async () => {
    const home = await newHome();
    const database = makeDatabase();
    const server = await new Server(home, home.port).start();
    const sqlite = `sqlite:${join(home.dataDir, 'tidetalk.db')}`;
    const { code, stderr } = await copy(home, sqlite, database.url);
    assert.equal(code, 1);
    assert.match(stderr, /in use by process/);
    await server.stop();

    const second = await newHome();
    second.use(database.url);
    const other = await new Server(second, second.port).start();
    const third = await newHome();
    const refused = await copy(third, database.url, `sqlite:${join(third.folder, 'x.db')}`);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /another server uses this database/);
    await other.stop();

    psql(database.name, 'CREATE TABLE moon_notes (id BIGINT PRIMARY KEY)');
    const without = await copy(third, database.url, `sqlite:${join(third.folder, 'y.db')}`);
    assert.equal(without.code, 1);
    assert.match(without.stderr, /the target has no table moon_notes/);
    for (const each of [home, second, third]) each.remove();
    database.remove();
  });
});
