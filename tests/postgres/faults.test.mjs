// PostgreSQL that goes away, comes back, refuses and disagrees: nothing is lost or doubled, the errors
// are the documented ones, and readiness says which.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe } from 'node:test';
import { makeDatabase, psql } from '../e2e/support/databases.mjs';
import { HANG_MS, eventually, test } from '../e2e/support/limits.mjs';
import { Server, makeHome, startServer } from '../e2e/support/server.mjs';
import { assertError } from '../e2e/support/suite.mjs';
import { startDatabaseProxy } from './proxy.mjs';

const address = new URL(process.env.TEST_POSTGRES);

describe('PostgreSQL with faults', () => {
  let database;
  let proxy;
  let server;
  let user;
  let names = 0;

  before(async () => {
    database = makeDatabase();
    proxy = await startDatabaseProxy(Number(address.port));
    const through = new URL(database.url);
    through.port = proxy.port;
    through.search = '?sslmode=disable&gssencmode=disable'; // the answers to these are no messages
    server = await startServer({ env: { TIDETALK_DATABASE_URL: through.href } });
    user = await server.user();
  }, { timeout: HANG_MS });
  after(async () => {
    await server?.stop();
    server?.home.remove();
    await proxy?.stop();
    database?.remove();
  }, { timeout: HANG_MS });

  const sql = (text) => psql(database.name, text);
  const ready = () => user.get('/readyz');
  // What a case that failed has left.
  afterEach(() => {
    proxy.isOpen = true;
    proxy.frozen = undefined;
    psql('postgres', `ALTER DATABASE ${database.name} RESET default_transaction_read_only`);
    sql('SET default_transaction_read_only = off; DROP TRIGGER IF EXISTS fail ON api_keys');
  });
  const isReady = () => eventually(async () => (await ready()).status === 200, 'it is ready again');

  /** Makes a key; how many there are under its name afterwards. */
  const makeKey = async () => {
    names += 1;
    const name = `key-${names}`;
    const answer = await user.post('/api/keys', { name });
    const stored = Number(sql(`SELECT count(*) FROM api_keys WHERE name = '${name}'`));
    if (answer.status === 200) {
      const { data } = await user.ok('GET', '/api/keys');
      assert.equal(data.filter((key) => key.name === name).length, 1);
      await user.ok('DELETE', `/api/keys/${answer.body.id}`);
    }
    return { answer, stored };
  };

  /** As if the writer had been connected for days. Waits for no lock: the proxy would wait with it. */
  const makeWritersOld = () => sql("UPDATE database_writers SET seen_at = '2000' WHERE id IN"
    + ' (SELECT id FROM database_writers FOR UPDATE SKIP LOCKED)');

  // After each message of ours it may have had its effect or not; before each answer it has.
  for (const [from, pass] of [['client', true], ['server', false]]) {
    test(`a connection cut ${pass ? 'after' : 'before'} every message of the ${from}: each write once`, async () => {
      for (let number = 1, wasCut = true; wasCut; number += 1) {
        const cuts = proxy.cuts;
        makeWritersOld();
        proxy.cutWriterAt(from, number, pass);
        const { answer, stored } = await makeKey();
        wasCut = proxy.cuts > cuts;
        proxy.disarm();
        assert.deepEqual([answer.status, stored], [200, 1], `cut at ${number}: ${answer.text}`);
        assert.ok(wasCut || number > 5, `only ${number} messages`);
      }
    });
  }

  test('all connections ended by an administrator: no request fails', async () => {
    for (let round = 0; round < 5; round += 1) {
      sql('SELECT pg_terminate_backend(pid) FROM pg_stat_activity'
        + ' WHERE datname = current_database() AND pid <> pg_backend_pid()');
      const answers = await Promise.all([makeKey(), user.get('/api/keys'), user.get('/api/chat/sessions')]);
      assert.deepEqual([answers[0].answer.status, answers[0].stored, answers[1].status, answers[2].status],
        [200, 1, 200, 200]);
    }
  });

  test('answers that do not come: the connection is given up, and no request fails', async () => {
    /** Begins it, and lets one answer to it be lost; its connection waits for that. */
    const freeze = async (kind, begin) => {
      const before = proxy.lost;
      proxy.frozen = kind;
      const begun = begin();
      await eventually(() => proxy.lost > before, `an answer to the ${kind} is lost`);
      proxy.frozen = undefined;
      return { begun };
    };
    const write = await freeze('writer', makeKey);
    const read = await freeze('reader', () => user.get('/api/chat/sessions'));
    const { answer, stored } = await write.begun;
    assert.deepEqual([answer.status, stored, (await read.begun).status], [200, 1, 200]);
  });

  test('a database that refuses connections: 503 with Retry-After, and readiness says so', async () => {
    proxy.isOpen = false;
    proxy.cut();
    const { answer, stored } = await makeKey();
    assertError(answer, 503, 'database_unavailable');
    assert.equal(answer.headers.get('retry-after'), '1');
    assert.equal(stored, 0);
    assertError(await user.get('/api/chat/sessions'), 503, 'database_unavailable');
    await eventually(async () => {
      const { status, body } = await ready();
      return status === 503 && body.status === 'database_unavailable';
    }, 'readiness says so');
    proxy.isOpen = true;
    await eventually(async () => (await makeKey()).answer.status === 200, 'it can be written again');
    await isReady();
    assert.equal((await user.get('/api/chat/sessions')).status, 200);
  });

  test('a primary that takes no changes: 503 database_read_only', async () => {
    sql(`ALTER DATABASE ${database.name} SET default_transaction_read_only = on`);
    proxy.cut();
    const { answer, stored } = await makeKey();
    assertError(answer, 503, 'database_read_only');
    assert.equal(stored, 0);
    assert.equal((await user.get('/api/chat/sessions')).status, 200);
    const { status, body } = await ready();
    assert.deepEqual([status, body.status], [503, 'database_read_only']);
    psql('postgres', `ALTER DATABASE ${database.name} RESET default_transaction_read_only`);
    await eventually(async () => (await makeKey()).answer.status === 200, 'it can be written again');
    await isReady();
  });

  /** A trigger that fails the next `times` inserts of keys; sequences are not rolled back. */
  const failing = (times, state) => sql(`
    DROP SEQUENCE IF EXISTS faults; CREATE SEQUENCE faults;
    CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF nextval('faults') <= ${times} THEN RAISE EXCEPTION 'a planted fault' USING ERRCODE = '${state}'; END IF;
      RETURN new; END $$;
    CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON api_keys FOR EACH ROW EXECUTE FUNCTION fail()`);

  for (const state of ['40001', '40P01']) {
    test(`a conflict with another transaction (${state}) is tried again, within bounds`, async () => {
      failing(2, state);
      const { answer, stored } = await makeKey();
      assert.deepEqual([answer.status, stored], [200, 1], answer.text);
      failing(1000, state);
      const second = await makeKey();
      assertError(second.answer, 503, 'busy');
      assert.equal(second.stored, 0);
      sql('DROP TRIGGER fail ON api_keys');
    });
  }

  test('a full disk is 507, and only that write fails', async () => {
    failing(1, '53100');
    assertError((await makeKey()).answer, 507, 'disk_full');
    assert.equal((await makeKey()).answer.status, 200);
    sql('DROP TRIGGER fail ON api_keys');
  });

  test('one of many writes that fails takes no other along', async () => {
    const others = await Promise.all(Array.from({ length: 8 }, () => server.user()));
    const answers = await Promise.all([
      ...others.map((other, i) => other.post('/api/keys', { name: `many-${i}` })),
      user.post('/api/register', { username: user.user.username, password: 'high-tide' }),
      ...others.map((other, i) => other.delete(`/api/keys/${1_000_000 + i}`)),
    ]);
    assert.deepEqual(answers.map((answer) => answer.status),
      [...others.map(() => 200), 409, ...others.map(() => 404)]);
  });

  test('a second server on the same database is refused', async () => {
    const home = makeHome({ env: { TIDETALK_DATABASE_URL: database.url } });
    const second = new Server(home, 0);
    await assert.rejects(second.start(), /another server uses this database/);
    home.remove();
  });
});
