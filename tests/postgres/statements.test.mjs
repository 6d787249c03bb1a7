// Every statement of the product on both engines: those that stand in the sources, and those that
// PostgreSQL gets in a walk through the routes and the work beside them, among them whatever is put
// together at run time. Each can be prepared, and finds its rows by an index in the tables that grow.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { psql } from '../e2e/support/databases.mjs';
import { HANG_MS, eventually, test } from '../e2e/support/limits.mjs';
import { startMock } from '../e2e/support/mock.mjs';
import { freePort } from '../e2e/support/process.mjs';
import { LOOPBACK, Server, makeHome, tidetalk } from '../e2e/support/server.mjs';
import { upload } from '../e2e/support/upload.mjs';
import { numbered, statementsOfSources } from './sources.mjs';

const GROWING = ['api_keys', 'chat_messages', 'chat_sessions', 'idempotency_keys', 'message_parts', 'message_search_queue',
  'queue_jobs', 'reply_chunks', 'responses', 'revoked_tokens', 'uploaded_files', 'usage_days', 'user_apis', 'users'];

// These read everything, each for a reason.
const WHOLE = [
  /^SELECT COUNT\(\*\) AS n FROM users$/, // the operator's list has a total
  /^SELECT count\(\*\), max\(substr\(api_key_sealed, /, // a start looks for keys of another secret
];

// And these in SQLite, where a walk in the order of ids is called a scan, too.
const WHOLE_SQLITE = [
  ...WHOLE,
  /FROM users ORDER BY id LIMIT /, // ends with the page
  /^SELECT 1 FROM message_search_queue WHERE user_id = \S+ AND is_long = 0 LIMIT 1$/, // holds what is not indexed yet
];

// Statements that are put together, and where else they run.
const ELSEWHERE = {
  'core/db/transfer.c': 'copy.test.mjs',
  'core/db/migrate_plugin_steps.c': 'plugin_tables.test.mjs',
  'core/chat/usage_store.c': 'tests/nodes', // one of its two
};

const isElsewhere = (place) => place.split(':')[0] in ELSEWHERE;

// Nodes share a PostgreSQL, never a file of SQLite, which has none of this.
const OF_NODES = /\bturn_(node|epoch|until)\b|\b(nodes|changes|node_\w+)\b/;

/** The statements of the log, each once: "execute NAME: SQL", whose further lines are indented. */
const statementsOf = (log) => new Set([...log.matchAll(/execute \S+: (.*(?:\n\t.*)*)/g)]
  .map(([, sql]) => sql.replaceAll('\n\t', '\n').trim())
  // An id that is taken from a sequence instead of waiting for it: see tt_pg_use_sequence.
  .map((sql) => sql.replace(/coalesce\(CAST\((\$\d+) AS BIGINT\), currval\('[^']*'\)\)/g, '$1')));

/** What a program says of each of the statements, which it gets as `script` has them. */
function askEach(command, words, statements, script) {
  const input = statements.map((sql, i) => script(sql, i)).join('\n');
  const { stdout, error } = spawnSync('sh', ['-c', '"$0" "$@" 2>&1', command, ...words], { input, encoding: 'utf8', maxBuffer: 64 << 20 });
  assert.ifError(error);
  const answers = stdout.split(/^@@\d+\n/m).slice(1);
  assert.equal(answers.length, statements.length, stdout.slice(0, 2000));
  return answers;
}

/** A plugin with a table and a queue. */
function putPlugin(home) {
  const folder = join(home.folder, 'plugins/swell');
  mkdirSync(join(folder, 'migrations'), { recursive: true });
  writeFileSync(join(folder, 'migrations/0001_rows.sql'), 'CREATE TABLE swell_rows (id INTEGER PRIMARY KEY);');
  writeFileSync(join(folder, 'plugin.lua'), `local queue = require "tide.queue"
    return { api = 1, queues = { waves = { run = function() return true end } }, routes = { { method = "POST", path = "/waves",
      auth = "user", summary = "Pushes.", request = { fields = {} }, handler = function(req)
        local pushed, err = queue.push("waves", {}, { user = req.user.id })
        return pushed and { json = pushed }, err
      end } } }`);
}

const growing = (plan, pattern) => [...new Set([...plan.matchAll(pattern)].map(([, table]) => table))]
  .filter((table) => GROWING.includes(table));

/** [statement, error or tables that are read from end to end although the plan would rather not]. */
function askPostgres(database, statements) {
  const answers = askEach('psql', ['-qAtX', `${process.env.TEST_POSTGRES}/${database}`], [
    'SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan;', ...statements,
  ], (sql, i) => {
    if (i === 0) return `\\echo @@0\n${sql}`;
    const count = Math.max(0, ...[...sql.matchAll(/\$(\d+)/g)].map(([, number]) => Number(number)));
    const values = count ? `(${Array(count).fill('NULL').join(', ')})` : '';
    return `\\echo @@${i}\nPREPARE s${i} AS ${sql};\nEXPLAIN EXECUTE s${i}${values};`;
  }).slice(1);
  return answers.map((plan, i) => [statements[i], plan.match(/ERROR: .*/)?.[0] ?? growing(plan, /Seq Scan on (\w+)/g).join()]);
}

function askSqlite(file, statements) {
  // The tokenizer of the search index is in the server, and so is a function; triggers that write to it are a part of statements.
  const { status, stderr } = spawnSync('sqlite3', ['-batch', '-cmd', '.dbconfig defensive off', file, `PRAGMA writable_schema = on;
    UPDATE sqlite_schema SET sql = replace(sql, 'tidetalk', 'unicode61') WHERE sql LIKE '%USING fts5%'`], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  const known = (sql) => sql.replace(/\$(\d+)/g, '?$1').replaceAll('tidetalk_search_text(', 'coalesce(');
  const answers = askEach('sqlite3', ['-batch', file], statements,
    (sql, i) => `.print @@${i}\nEXPLAIN QUERY PLAN ${known(sql)};`);
  return answers.map((plan, i) => [statements[i], plan.match(/.*error.*/i)?.[0] ?? growing(plan, /\bSCAN (\w+)(?! USING)/g).join()]);
}

async function walk(server, mock) {
  const user = await server.user();
  const model = await user.model(mock.url('echo=1'));
  for (const message of ['The tide', 'comes in']) await user.say(model, 'walk', message);
  await user.stream(model, 'walk', 'and goes');
  await upload(user, 'walk', 'a.txt', 'a text');
  for (const path of ['/api/chat/sessions', '/api/chat/sessions/walk', '/api/chat/sessions/walk/messages',
    '/api/chat/sessions/walk/files', '/api/chat/search?q=tide', '/api/user/apis', '/api/models', '/api/usage',
    '/api/profile', '/api/keys', '/api/files/session/walk', '/api/files/session/walk?page=1', '/api/chat/sessions/walk/export', '/v1/models']) await user.get(path);
  const key = await user.ok('POST', '/api/keys', { name: 'a' });
  await user.delete(`/api/keys/${key.id}`);
  await user.ok('PATCH', '/api/chat/sessions/walk', { title: 'Another' });
  const { api } = await user.ok('GET', '/api/user/apis/api-1');
  await user.ok('PUT', `/api/user/apis/${api.id}`, { base_url: api.base_url });
  await user.post('/api/chat/message', { session_id: 'walk', model_name: model, message: 'once' },
    { headers: { 'Idempotency-Key': 'once' } });
  await user.ok('POST', '/waves', {});
  await user.delete('/api/chat/sessions/walk');
  await eventually(() => psql(server.home.database.name, 'SELECT count(*) FROM chat_messages') === '0',
    'the rows of the deleted session are gone');
  await user.post('/api/logout');
}

describe('statements of the product', () => {
  let server;
  let mock;
  let statements; // with $1; those of both engines, and those that PostgreSQL gets

  before(async () => {
    for (const setting of ["log_min_messages = 'log'", "log_statement = 'all'"]) psql('postgres', `ALTER SYSTEM SET ${setting}`);
    psql('postgres', 'SELECT pg_reload_conf()');
    mock = await startMock();
    const port = await freePort();
    server = new Server(makeHome({ port, env: LOOPBACK }), port);
    putPlugin(server.home);
    await server.start();
    await walk(server, mock);
    await server.stop();
    const { code, stderr } = await tidetalk(server.home, ['secret', 'rotate']);
    assert.equal(code, 0, stderr);
    psql('postgres', "ALTER SYSTEM SET log_statement = 'none'");
    psql('postgres', 'SELECT pg_reload_conf()');
  }, { timeout: HANG_MS });
  after(async () => {
    server?.home.remove();
    await mock?.stop();
  });

  test('are all known: those with gaps are among those that were sent', () => {
    const log = readFileSync(process.env.TEST_POSTGRES_LOG, 'utf8');
    assert.match(log, /INSERT INTO chat_messages .* currval\(/, 'a turn waits for no id');
    const sent = [...statementsOf(log)]
      .filter((sql) => /^(SELECT|INSERT|UPDATE|DELETE|WITH)\b/i.test(sql))
      .filter((sql) => !/pg_catalog|pg_class|pg_advisory|pg_tables|current_schema|schema_migrations|swell_rows/.test(sql));
    const written = statementsOfSources();
    assert.ok(sent.length > 60 && written.length > 150, `${sent.length} sent, ${written.length} in the sources`);
    const missing = written.filter(({ place, pattern }) => pattern && !isElsewhere(place)
      && !sent.some((sql) => pattern.test(sql)));
    const whole = written.filter(({ pattern }) => !pattern).map(({ sql }) => numbered(sql));
    const filled = sent.filter((sql) => written.some(({ place, pattern }) => pattern?.test(sql) && !isElsewhere(place)));
    statements = { postgres: [...new Set([...sent, ...whole])], both: [...new Set([...filled, ...whole])].filter((sql) => !OF_NODES.test(sql)) };
    assert.deepEqual(missing.map(({ place, sql }) => `${place} ${sql}`), []);
  });

  test('are PostgreSQL, and find their rows by an index', () => {
    const wrong = askPostgres(server.home.database.name, statements.postgres)
      .filter(([sql, what]) => what && !WHOLE.some((pattern) => pattern.test(sql)));
    assert.deepEqual(wrong, []);
  });

  test('are SQLite, and find their rows by an index there', async () => {
    const home = makeHome({ env: { TIDETALK_DATABASE_URL: '' } });
    putPlugin(home);
    assert.equal((await tidetalk(home, ['migrate'])).code, 0);
    const wrong = askSqlite(join(home.dataDir, 'tidetalk.db'), statements.both)
      .filter(([sql, what]) => what && !WHOLE_SQLITE.some((pattern) => pattern.test(sql)));
    home.remove();
    assert.deepEqual(wrong, []);
  });
});
