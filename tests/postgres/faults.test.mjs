// PostgreSQL that goes away, comes back, refuses and disagrees: nothing is lost or doubled, the errors
// are the documented ones, and readiness says which.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { makeDatabase, psql } from '../e2e/support/databases.mjs';
import { HANG_MS, eventually, test } from '../e2e/support/limits.mjs';
import { Server, makeHome, startServer } from '../e2e/support/server.mjs';
import { assertError } from '../e2e/support/suite.mjs';
import { startDatabaseProxy } from './proxy.mjs';

const address = new URL(process.env.TEST_POSTGRES);

const made = []; // removed at the end: DROP DATABASE waits for everyone who is connecting

/** A server behind a proxy to a database of its own: in the suite in which it is called. */
function withDatabase() {
  const db = {};
  let names = 0;

  before(async () => {
    db.database = makeDatabase();
    made.push(db.database);
    db.proxy = await startDatabaseProxy(Number(address.port));
    const through = new URL(db.database.url);
    through.port = db.proxy.port;
    through.search = '?sslmode=disable&gssencmode=disable'; // the answers to these are no messages
    db.server = await startServer({ env: { TIDETALK_DATABASE_URL: through.href } });
    made.push(db.server.home);
    db.user = await db.server.user();
  }, { timeout: HANG_MS });
  after(async () => {
    await db.server?.stop();
    await db.proxy?.stop();
  }, { timeout: HANG_MS });

  db.sql = (text) => psql(db.database.name, text);
  db.ready = () => db.user.get('/readyz');
  db.isReady = () => eventually(async () => (await db.ready()).status === 200, 'it is ready again');

  /** Makes a key; how many there are under its name afterwards. */
  db.makeKey = async () => {
    names += 1;
    const name = `key-${names}`;
    const answer = await db.user.post('/api/keys', { name });
    const stored = Number(db.sql(`SELECT count(*) FROM api_keys WHERE name = '${name}'`));
    if (answer.status === 200) {
      const { data } = await db.user.ok('GET', '/api/keys');
      assert.equal(data.filter((key) => key.name === name).length, 1);
      await db.user.ok('DELETE', `/api/keys/${answer.body.id}`);
    }
    return { answer, stored };
  };
  return db;
}

// Most of the time of a case is waiting, so the suites run at the same time; each has a database.
describe('PostgreSQL with faults', { concurrency: 5 }, () => {
  after(() => { for (const each of made) each.remove(); });

  // After each message of ours it may have had its effect or not; before each answer it has.
  for (const [from, pass] of [['client', true], ['server', false]]) {
    describe(`cuts at the ${from}'s messages`, { concurrency: 1 }, () => {
      const db = withDatabase();

      /** As if the writer had been connected for days. Waits for no lock: the proxy would wait with it. */
      const makeWritersOld = () => db.sql("UPDATE database_writers SET seen_at = '2000' WHERE id IN"
        + ' (SELECT id FROM database_writers FOR UPDATE SKIP LOCKED)');

      test(`a connection cut ${pass ? 'after' : 'before'} every message of the ${from}: each write once`, async () => {
        for (let number = 1, wasCut = true; wasCut; number += 1) {
          const cuts = db.proxy.cuts;
          makeWritersOld();
          db.proxy.cutWriterAt(from, number, pass);
          const { answer, stored } = await db.makeKey();
          wasCut = db.proxy.cuts > cuts;
          db.proxy.disarm();
          assert.deepEqual([answer.status, stored], [200, 1], `cut at ${number}: ${answer.text}`);
          assert.ok(wasCut || number > 5, `only ${number} messages`);
        }
      });
    });
  }

  describe('connections that are ended', { concurrency: 1 }, () => {
    const db = withDatabase();

    test('all connections ended by an administrator: no request fails', async () => {
      for (let round = 0; round < 5; round += 1) {
        db.sql('SELECT pg_terminate_backend(pid) FROM pg_stat_activity'
          + ' WHERE datname = current_database() AND pid <> pg_backend_pid()');
        const answers = await Promise.all([db.makeKey(), db.user.get('/api/keys'), db.user.get('/api/chat/sessions')]);
        assert.deepEqual([answers[0].answer.status, answers[0].stored, answers[1].status, answers[2].status],
          [200, 1, 200, 200]);
      }
    });

    test('answers that do not come: the connection is given up, and no request fails', async () => {
      /** Begins it, and lets one answer to it be lost; its connection waits for that. */
      const freeze = async (kind, begin) => {
        const before = db.proxy.lost;
        db.proxy.frozen = kind;
        const begun = begin();
        await eventually(() => db.proxy.lost > before, `an answer to the ${kind} is lost`);
        db.proxy.frozen = undefined;
        return { begun };
      };
      const write = await freeze('writer', db.makeKey);
      const read = await freeze('reader', () => db.user.get('/api/chat/sessions'));
      const { answer, stored } = await write.begun;
      assert.deepEqual([answer.status, stored, (await read.begun).status], [200, 1, 200]);
    });
  });

  describe('a database that is away', { concurrency: 1 }, () => {
    const db = withDatabase();

    test('a database that refuses connections: 503 with Retry-After, and readiness says so', async () => {
      db.proxy.isOpen = false;
      db.proxy.cut();
      const { answer, stored } = await db.makeKey();
      assertError(answer, 503, 'database_unavailable');
      assert.equal(answer.headers.get('retry-after'), '1');
      assert.equal(stored, 0);
      assertError(await db.user.get('/api/chat/sessions'), 503, 'database_unavailable');
      await eventually(async () => {
        const { status, body } = await db.ready();
        return status === 503 && body.status === 'database_unavailable';
      }, 'readiness says so');
      db.proxy.isOpen = true;
      await eventually(async () => (await db.makeKey()).answer.status === 200, 'it can be written again');
      await db.isReady();
      assert.equal((await db.user.get('/api/chat/sessions')).status, 200);
    });

    test('a second server on the same database is refused', async () => {
      const home = makeHome({ env: { TIDETALK_DATABASE_URL: db.database.url } });
      made.push(home);
      const second = new Server(home, 0);
      await assert.rejects(second.start(), /another server uses this database/);
    });
  });

  describe('a database that refuses changes', { concurrency: 1 }, () => {
    const db = withDatabase();

    test('a primary that takes no changes: 503 database_read_only', async () => {
      db.sql(`ALTER DATABASE ${db.database.name} SET default_transaction_read_only = on`);
      db.proxy.cut();
      const { answer, stored } = await db.makeKey();
      assertError(answer, 503, 'database_read_only');
      assert.equal(stored, 0);
      assert.equal((await db.user.get('/api/chat/sessions')).status, 200);
      const { status, body } = await db.ready();
      assert.deepEqual([status, body.status], [503, 'database_read_only']);
      psql('postgres', `ALTER DATABASE ${db.database.name} RESET default_transaction_read_only`);
      await eventually(async () => (await db.makeKey()).answer.status === 200, 'it can be written again');
      await db.isReady();
    });

    /** A trigger that fails the next `times` inserts of keys; sequences are not rolled back. */
    const failing = (times, state) => db.sql(`
      DROP SEQUENCE IF EXISTS faults; CREATE SEQUENCE faults;
      CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('faults') <= ${times} THEN RAISE EXCEPTION 'a planted fault' USING ERRCODE = '${state}'; END IF;
        RETURN new; END $$;
      CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON api_keys FOR EACH ROW EXECUTE FUNCTION fail()`);

    for (const state of ['40001', '40P01']) {
      test(`a conflict with another transaction (${state}) is tried again, within bounds`, async () => {
        failing(2, state);
        const { answer, stored } = await db.makeKey();
        assert.deepEqual([answer.status, stored], [200, 1], answer.text);
        failing(1000, state);
        const second = await db.makeKey();
        assertError(second.answer, 503, 'busy');
        assert.equal(second.stored, 0);
        db.sql('DROP TRIGGER fail ON api_keys');
      });
    }

    test('a full disk is 507, and only that write fails', async () => {
      failing(1, '53100');
      assertError((await db.makeKey()).answer, 507, 'disk_full');
      assert.equal((await db.makeKey()).answer.status, 200);
      db.sql('DROP TRIGGER fail ON api_keys');
    });

    test('one of many writes that fails takes no other along', async () => {
      const others = await Promise.all(Array.from({ length: 8 }, () => db.server.user()));
      const answers = await Promise.all([
        ...others.map((other, i) => other.post('/api/keys', { name: `many-${i}` })),
        db.user.post('/api/register', { username: db.user.user.username, password: 'high-tide' }),
        ...others.map((other, i) => other.delete(`/api/keys/${1_000_000 + i}`)),
      ]);
      assert.deepEqual(answers.map((answer) => answer.status),
        [...others.map(() => 200), 409, ...others.map(() => 404)]);
    });
  });
});
