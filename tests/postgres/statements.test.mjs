// The statements of the product, as PostgreSQL gets them: each finds its rows by an index in the tables
// that grow. They are taken from its log, after a walk through the routes and the work beside them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe } from 'node:test';
import { psql } from '../e2e/support/databases.mjs';
import { eventually, test } from '../e2e/support/limits.mjs';
import { startMock } from '../e2e/support/mock.mjs';
import { LOOPBACK, startServer } from '../e2e/support/server.mjs';
import { upload } from '../e2e/support/upload.mjs';

const GROWING = ['api_keys', 'chat_messages', 'chat_sessions', 'idempotency_keys', 'message_parts', 'message_search_queue',
  'queue_jobs', 'reply_chunks', 'responses', 'revoked_tokens', 'uploaded_files', 'usage_days', 'user_apis', 'users'];

// These read everything, each for a reason.
const WHOLE = [
  /^SELECT COUNT\(\*\) AS n FROM users$/, // the operator's list has a total
  /pg_catalog|pg_index|pg_class|pg_tables|schema_migrations/,
];

/** The statements of the log, each once: "execute NAME: SQL", whose further lines are indented. */
const statementsOf = (log) => new Set([...log.matchAll(/execute \S+: (.*(?:\n\t.*)*)/g)]
  .map(([, sql]) => sql.replaceAll('\n\t', '\n').trim()));

/** What the plan reads from end to end although it would rather not. */
function wholeTables(database, sql) {
  const count = Math.max(0, ...[...sql.matchAll(/\$(\d+)/g)].map(([, number]) => Number(number)));
  const values = count ? `(${Array(count).fill('NULL').join(', ')})` : '';
  const plan = psql(database, `SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan;
    PREPARE statement AS ${sql}; EXPLAIN EXECUTE statement${values}`);
  return [...plan.matchAll(/Seq Scan on (\w+)/g)].map(([, table]) => table).filter((table) => GROWING.includes(table));
}

async function walk(server, mock) {
  const user = await server.user();
  const model = await user.model(mock.url('echo=1'));
  for (const message of ['The tide', 'comes in']) await user.say(model, 'walk', message);
  await user.stream(model, 'walk', 'and goes');
  await upload(user, 'walk', 'a.txt', 'a text');
  for (const path of ['/api/chat/sessions', '/api/chat/sessions/walk', '/api/chat/sessions/walk/messages',
    '/api/chat/sessions/walk/files', '/api/chat/search?q=tide', '/api/user/apis', '/api/models', '/api/usage',
    '/api/profile', '/api/keys', '/api/chat/sessions/walk/export', '/v1/models']) await user.get(path);
  const key = await user.ok('POST', '/api/keys', { name: 'a' });
  await user.delete(`/api/keys/${key.id}`);
  await user.put('/api/chat/sessions/walk', { title: 'Another' });
  await user.delete('/api/chat/sessions/walk');
  await eventually(() => psql(server.home.database.name, 'SELECT count(*) FROM chat_messages') === '0',
    'the rows of the deleted session are gone');
  await user.post('/api/logout');
}

describe('statements of the product', () => {
  test('find their rows by an index', async () => {
    for (const setting of ["log_min_messages = 'log'", "log_statement = 'all'"]) psql('postgres', `ALTER SYSTEM SET ${setting}`);
    psql('postgres', 'SELECT pg_reload_conf()');
    const mock = await startMock();
    const server = await startServer({ env: LOOPBACK });
    await walk(server, mock);
    const { name } = server.home.database;
    await server.stop();
    await mock.stop();
    psql('postgres', "ALTER SYSTEM SET log_statement = 'none'");
    psql('postgres', 'SELECT pg_reload_conf()');

    const statements = [...statementsOf(readFileSync(process.env.TEST_POSTGRES_LOG, 'utf8'))]
      .filter((sql) => /^(SELECT|INSERT|UPDATE|DELETE|WITH)\b/i.test(sql));
    assert.ok(statements.length > 60, `${statements.length} statements`);
    const wrong = statements.filter((sql) => !WHOLE.some((pattern) => pattern.test(sql)))
      .map((sql) => [wholeTables(name, sql).join(), sql]).filter(([tables]) => tables);
    assert.deepEqual(wrong, []);
    server.home.remove();
  });
});
