// Migrations of plugins on PostgreSQL: own tables only, nothing is taken away, all or nothing.
// (tests/unit/db/test_migrate_plugins.c has the same for SQLite.)
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { psql } from '../e2e/support/databases.mjs';
import { test } from '../e2e/support/limits.mjs';
import { makeHome, tidetalk } from '../e2e/support/server.mjs';

const NOTES = `CREATE TABLE moon_notes (id INTEGER PRIMARY KEY, text TEXT,
  user_id INTEGER REFERENCES users(id) ON DELETE CASCADE);`;

describe('tables of plugins', () => {
  let home;
  const sql = (text) => psql(home.database.name, text);
  const folder = (plugin) => join(home.folder, 'plugins', plugin, 'migrations');
  const put = (plugin, name, text) => {
    mkdirSync(folder(plugin), { recursive: true });
    writeFileSync(join(folder(plugin), '..', 'plugin.lua'), 'return { api = 1 }');
    writeFileSync(join(folder(plugin), name), text);
  };
  const migrate = (...words) => tidetalk(home, ['migrate', ...words]);
  const applied = () => sql("SELECT string_agg(plugin || version, ' ' ORDER BY plugin, version) FROM plugin_migrations");

  before(async () => {
    home = makeHome();
    sql('CREATE SCHEMA other');
    put('moon', '0001_notes.sql', NOTES);
    const { code, stdout, stderr } = await migrate();
    assert.equal(code, 0, stderr);
    assert.match(stdout, /\nmoon 0001 notes applied\n$/);
    sql("INSERT INTO users (username, password_hash, created_at, updated_at) VALUES ('u', '', '', '')");
  });
  after(() => home.remove());

  const refuses = async (text, message, name = '0002_more.sql') => {
    put('moon', name, text);
    const { code, stderr } = await migrate();
    rmSync(join(folder('moon'), name));
    assert.equal(code, 1, text);
    assert.ok(stderr.includes(`plugins/moon/migrations/${name}:`), stderr);
    assert.match(stderr, message, text);
    assert.equal(applied(), 'moon1');
  };

  test('types of a file for all engines mean what they mean in SQLite', () => {
    sql("INSERT INTO moon_notes (text) VALUES ('a'), ('B')");
    assert.equal(sql("SELECT string_agg(id || text, ' ' ORDER BY text) FROM moon_notes"), '2B 1a');
    assert.equal(sql(`SELECT string_agg(data_type, ' ' ORDER BY ordinal_position) FROM information_schema.columns
      WHERE table_name = 'moon_notes'`), 'bigint text bigint');
  });

  test('tables of others are refused, with the line and what to do', async () => {
    const own = /:1: (users|chat_sessions) is not a table of the plugin, whose names begin with moon_: keep what you add in a table of your own, with a foreign key/;
    for (const text of [
      'ALTER TABLE users ADD COLUMN moon TEXT',
      'ALTER TABLE users ALTER COLUMN email DROP DEFAULT',
      'ALTER TABLE users DISABLE TRIGGER users_tokens_ended',
      "UPDATE users SET email = 'x'",
      'DELETE FROM users',
      "INSERT INTO users (username, password_hash, created_at, updated_at) VALUES ('v', '', '', '')",
      'WITH gone AS (DELETE FROM users RETURNING id) SELECT count(*) FROM gone',
      'CREATE INDEX moon_users ON users (email)',
      "CREATE TRIGGER moon_t AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION users_tokens_ended()",
    ]) await refuses(text, own);
    await refuses(`CREATE FUNCTION moon_f() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN UPDATE users SET email = 'x'; RETURN new; END $$;
CREATE TRIGGER moon_t BEFORE INSERT ON moon_notes FOR EACH ROW EXECUTE FUNCTION moon_f();
INSERT INTO moon_notes (text) VALUES ('a')`, /:4: users is not a table of the plugin/);
    await refuses('CREATE TABLE notes (x TEXT)', /:1: the name notes must begin with moon_/);
    await refuses('CREATE TABLE moonnotes (x TEXT)', /the name moonnotes must begin with moon_/);
    await refuses('CREATE INDEX by_text ON moon_notes (text)', /the name by_text must begin/);
    await refuses("CREATE OR REPLACE FUNCTION users_tokens_ended() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
      /users_tokens_ended is not a table of the plugin/);
    await refuses('\n\nALTER TABLE users RENAME TO moon_users', /:3: users stays: migrations of a plugin only add/);
    await refuses('SELECT 1;\nTRUNCATE users', /:2: BEGIN, COMMIT, SET, temporary tables/);
    for (const text of ['COMMIT', 'SET search_path = other', 'CREATE TEMP TABLE moon_t (x TEXT)', 'DO $$ BEGIN END $$']) {
      await refuses(text, /:1: BEGIN, COMMIT, SET, temporary tables/);
    }
    assert.equal(sql('SELECT username, email FROM users'), 'u|');
  });

  test('nothing is taken away', async () => {
    await refuses('DROP TABLE moon_notes', /:1: only indexes and triggers may be dropped: migrations of a plugin only add/);
    await refuses('ALTER TABLE moon_notes DROP COLUMN text', /moon_notes\.text is gone: migrations of a plugin only add/);
    await refuses('ALTER TABLE moon_notes RENAME COLUMN text TO body', /moon_notes\.text is gone/);
    await refuses('ALTER TABLE moon_notes RENAME TO moon_texts', /moon_notes\.id is gone/);
  });

  test('an error has its line; nothing is applied then', async () => {
    put('sun', '0001_days.sql', "CREATE TABLE sun_days (day TEXT);\n\nINSERT INTO sun_days\n  SELECT x\n  FROM sun_hours;");
    put('moon', '0002_more.sql', 'CREATE TABLE moon_more (x TEXT);');
    const { code, stderr } = await migrate();
    assert.equal(code, 1);
    assert.match(stderr, /plugins\/sun\/migrations\/0001_days\.sql:5: relation "sun_hours" does not exist/);
    assert.equal(applied(), 'moon1');
    assert.equal(sql("SELECT count(*) FROM pg_class WHERE relname IN ('moon_more', 'sun_days')"), '0');
    rmSync(join(folder('sun'), '..'), { recursive: true });
  });

  test('what is for PostgreSQL only wins, and is taken as it is', async () => {
    put('moon', '0002_more.sql', 'not for this engine');
    put('moon', '0002_more.postgres.sql', `CREATE TABLE moon_more (n INTEGER, x JSONB, t TIMESTAMPTZ DEFAULT now());
CREATE FUNCTION moon_count() RETURNS BIGINT LANGUAGE sql AS 'SELECT count(*) FROM moon_more';
CREATE VIEW moon_all AS SELECT m.n, users.username FROM moon_more AS m, users;
CREATE INDEX moon_more_by_n ON moon_more (n);`);
    put('moon', '0003_index.sqlite.sql', 'not for this engine either');
    const dry = await migrate('--dry-run');
    assert.match(dry.stdout, /moon 0002 more pending\n$/);
    const { code, stderr } = await migrate();
    assert.equal(code, 0, stderr);
    assert.equal(sql("SELECT data_type FROM information_schema.columns WHERE table_name = 'moon_more' AND column_name = 'n'"),
      'integer');
    rmSync(join(folder('moon'), '0003_index.sqlite.sql'));
  });

  test('an applied file that was changed is refused, and a name that others have', async () => {
    put('moon', '0001_notes.sql', `${NOTES}\n`);
    assert.match((await migrate()).stderr, /0001_notes\.sql:1: was changed after it was applied/);
    put('moon', '0001_notes.sql', NOTES);
    for (const plugin of ['user', 'moon_phase']) {
      put(plugin, '0001_a.sql', 'SELECT 1');
      assert.match((await migrate()).stderr,
        new RegExp(`plugins/${plugin}/migrations/0001_a\\.sql:1: other tables begin with ${plugin}_ already`));
      rmSync(join(folder(plugin), '..'), { recursive: true });
    }
  });

  test('plugin remove --data deletes tables, views and functions', async () => {
    put('moon', '0003_both.sql', 'CREATE TABLE moon_both (a INTEGER REFERENCES moon_notes(id));');
    assert.equal((await migrate()).code, 0);
    const { code, stdout, stderr } = await tidetalk(home, ['plugin', 'remove', 'moon', '--data']);
    assert.equal(code, 0, stderr);
    for (const each of ['view IF EXISTS "moon_all"', 'table IF EXISTS "moon_notes"', 'function IF EXISTS moon_count()']) {
      assert.ok(stdout.includes(`DROP ${each};\n`), stdout);
    }
    assert.equal(sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'moon%'"), '0');
    assert.equal(sql("SELECT count(*) FROM pg_proc WHERE proname LIKE 'moon%'"), '0');
    assert.equal(applied(), '');
  });
});
