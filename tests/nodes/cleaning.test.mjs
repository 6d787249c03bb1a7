// covers: db/search_index, db/postgres_search, chat/deleted_sessions
// What nodes do in the background, one of them or all at the same time: the search index, and what deleted sessions leave.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { uniqueName } from '../e2e/support/client.mjs';
import { psql } from '../e2e/support/databases.mjs';
import { HANG_MS, eventually, test } from '../e2e/support/limits.mjs';
import { startMock } from '../e2e/support/mock.mjs';
import { upload } from '../e2e/support/upload.mjs';
import { startCluster, through } from './cluster.mjs';

const SESSIONS = 8;

describe('what two nodes do in the background', () => {
  let cluster;
  let mock;

  before(async () => {
    mock = await startMock();
    cluster = await startCluster(2, { env: { TIDETALK_DRAIN: '100ms' } });
  }, { timeout: HANG_MS });

  after(async () => {
    await cluster.stop();
    await mock.stop();
  }, { timeout: HANG_MS });

  const sql = (text) => psql(cluster.nodes[0].home.database.name, text);
  const warnings = () => cluster.nodes.flatMap((node) => node.log().split('\n').filter((line) =>
    /not removed|not indexed|not merged|"level":"error"/.test(line)));

  test('every message is found once, and what is deleted leaves nothing', async () => {
    const here = await cluster.nodes[0].user();
    const users = [here, through(cluster.nodes[1], here)];
    const model = await here.model(mock.url('text=short'));
    const sessions = Array.from({ length: SESSIONS }, () => uniqueName('session'));
    await Promise.all(sessions.map((session, i) => users[i % 2].say(model, session, 'hello')));
    // Long ones, of many parts each: both nodes index them at the same time.
    sql("UPDATE chat_messages SET status = 'streaming' WHERE role = 'assistant'");
    sql(`UPDATE chat_messages SET status = 'complete', content = 'begin ' || (SELECT string_agg('w' || (i * 7919 + id) % 5000, ' ')
      FROM generate_series(1, 25000) AS i) || ' end' || id || 'x' WHERE role = 'assistant'`);
    for (const user of users) await user.ok('GET', '/api/chat/search?q=hello'); // each brings in short ones
    await eventually(() => sql('SELECT COUNT(*) FROM message_search_queue') === '0', 'all are indexed');
    assert.equal(sql(`SELECT COUNT(*) FROM (SELECT message_id FROM message_parts GROUP BY message_id
      HAVING MIN(part) <> 0 OR MAX(part) <> COUNT(*) - 1 OR COUNT(DISTINCT start) <> COUNT(*)) AS wrong`), '0',
    'each part is there once');
    assert.equal(sql('SELECT COUNT(DISTINCT message_id) FROM message_parts'), String(2 * SESSIONS));
    for (const id of sql("SELECT id FROM chat_messages WHERE role = 'assistant'").split('\n')) {
      const { data } = await users[id % 2].ok('GET', `/api/chat/search?q=end${id}x`);
      assert.deepEqual(data.map((hit) => hit.message_id), [Number(id)]);
    }

    // Files too, in the folder of both.
    const files = join(cluster.nodes[0].home.dataDir, 'files');
    const count = () => readdirSync(files, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name !== '.place').length;
    await Promise.all(sessions.map((session, i) => upload(users[i % 2], session, `note${i}.txt`, `text ${i}`)));
    assert.equal(count(), SESSIONS);
    await Promise.all(sessions.map((session, i) => users[i % 2].ok('DELETE', `/api/chat/sessions/${session}`)));
    await eventually(() => sql(`SELECT (SELECT COUNT(*) FROM chat_sessions) + (SELECT COUNT(*) FROM chat_messages)
      + (SELECT COUNT(*) FROM uploaded_files) + (SELECT COUNT(*) FROM removed_files)
      + (SELECT COUNT(*) FROM message_parts) + (SELECT COUNT(*) FROM message_search_queue)`) === '0', 'nothing is left');
    await eventually(() => count() === 0, 'no bytes are left');
    assert.deepEqual(warnings(), []);
  });
});
