// covers: node, db, chat, script
// What nodes tell each other: a reply that a script stops through another node; the quick way, and the sure one.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { statusOf } from '../e2e/support/admin.mjs';
import { psql } from '../e2e/support/databases.mjs';
import { HANG_MS, eventually, test, within } from '../e2e/support/limits.mjs';
import { startMock } from '../e2e/support/mock.mjs';
import { freePort, makeFolder, removeFolder } from '../e2e/support/process.mjs';
import { LOOPBACK, Server, makeHome } from '../e2e/support/server.mjs';
import { uniqueName } from '../e2e/support/client.mjs';
import { startCluster, through } from './cluster.mjs';
import { counted } from './metrics.mjs';

const PLUGIN = `
local chat = require "tide.chat"
local function route(path, fields, call)
  return { method = "POST", path = path, auth = "user", summary = "Calls tide.chat.",
    request = { fields = fields }, handler = function(req)
      local value, more = call(req.user.id, req.body)
      if value == nil then return nil, more end
      return { json = { value = value, more = more } }
    end }
end
local session = { name = "session", type = "string", required = true }
return { api = 1, routes = {
  route("/script/stop", { session }, function(user, body) return chat.stop(user, body.session) end),
  route("/script/turn", { session }, function(user, body)
    local reply, err = chat.turn({ user = user, session = body.session, message = "again" })
    return reply and true, err
  end),
  route("/script/append", { session }, function(user, body)
    local ids, err = chat.append({ user = user, session = body.session, message = "q", reply = "a" })
    return ids and true, err
  end),
} }`;

const LISTENS = "datname = current_database() AND query IN ('LISTEN tidetalk_news', 'NOTIFY tidetalk_news', '')"
  + " AND backend_type = 'client backend' AND pid <> pg_backend_pid()";

describe('news of nodes', () => {
  let cluster;
  let folder;
  let mock;

  before(async () => {
    folder = makeFolder();
    mkdirSync(join(folder, 'calls'), { recursive: true });
    writeFileSync(join(folder, 'calls', 'plugin.lua'), PLUGIN);
    mock = await startMock();
    cluster = await startCluster(2, { env: { TIDETALK_PLUGINS_DIR: folder, TIDETALK_DRAIN: '100ms' } });
  }, { timeout: HANG_MS });

  after(async () => {
    await cluster.stop();
    await mock.stop();
    removeFolder(folder);
  }, { timeout: HANG_MS });

  const sql = (text) => psql(cluster.nodes[0].home.database.name, text);

  /** A reply that runs on the first node, and its user at the second one. */
  const begin = async (scenario = 'tokens=5000,pace=10') => {
    const [a, b] = cluster.nodes;
    const here = await a.user();
    const model = await here.model(mock.url(scenario));
    const session = uniqueName('session');
    const live = await here.open(model, session, 'hi');
    await live.until(() => live.frames.length > 1);
    return { here, there: through(b, here), session, live };
  };

  test('a script stops what runs on another node', async () => {
    const notices = await counted(cluster.nodes[0], 'node_news_notices_total');
    const { there, session, live } = await begin();
    const answer = await there.post('/script/stop', { session });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.body.value, true);
    await within(live.end(), 'it ends');
    assert.equal(live.last.finish_reason, 'stopped');
    const [, reply] = await there.messages(session);
    assert.equal(reply.status, 'stopped');
    assert.equal(answer.body.more, reply.id);
    assert.ok(await counted(cluster.nodes[0], 'node_news_notices_total') > notices);
    assert.equal((await there.post('/script/stop', { session })).body.value, false, 'nothing runs');
    const unknown = await there.post('/script/stop', { session: 'unknown' });
    assert.equal(unknown.body.code, 'session_not_found', unknown.text);
  });

  test('also when another turn of it waits here', async () => {
    const { there, session, live } = await begin();
    const waiting = there.post('/script/turn', { session });
    await eventually(async () => (await statusOf(cluster.nodes[1])).sessions_busy > 0, 'it waits');
    assert.equal((await there.post('/script/stop', { session })).body.value, true);
    await within(live.end(), 'it ends');
    assert.equal(live.last.finish_reason, 'stopped');
    await waiting;
    await eventually(async () => (await there.messages(session)).every((m) => m.status !== 'streaming'), 'nothing runs');
  });

  test('and nothing else', async () => {
    const { there, session, live } = await begin();
    const other = await begin();
    // News of a reply that has ended, which come late.
    sql("INSERT INTO changes (kind, key) SELECT 'stop', user_id || ' 1 ' || session_id FROM chat_sessions");
    sql("INSERT INTO changes (kind, key) VALUES ('stop', ''), ('stop', '1'), ('stop', 'x y z'), ('else', 'x')");
    assert.equal((await there.post('/script/stop', { session })).body.value, true);
    await within(live.end(), 'it ends');
    assert.ok(!other.live.ended, 'that of somebody else goes on');
    const seen = other.live.frames.length;
    await other.live.until(() => other.live.frames.length > seen);
    assert.equal((await other.there.post('/script/stop', { session: other.session })).body.value, true);
    await within(other.live.end(), 'it ends too');
  });

  test('news come by looking when the connection that listens is lost, which comes back', async () => {
    const pids = () => sql(`SELECT pid FROM pg_stat_activity WHERE ${LISTENS} ORDER BY pid`).split('\n').filter(Boolean);
    await eventually(() => pids().length === 2, 'both nodes listen');
    const before = pids();
    const { there, session, live } = await begin();
    sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${LISTENS}`);
    assert.equal((await there.post('/script/stop', { session })).body.value, true);
    await within(live.end(), 'it ends');
    await eventually(() => pids().length === 2 && !pids().some((pid) => before.includes(pid)), 'they listen again');
    // Nobody notifies: the row alone.
    const last = await begin();
    const id = sql(`SELECT MAX(id) FROM chat_messages`);
    sql(`INSERT INTO changes (kind, key) SELECT 'stop', user_id || ' ${id} ' || session_id FROM chat_sessions`
      + ` WHERE session_id = '${last.session}'`);
    await within(last.live.end(), 'it ends by the poll');
    assert.equal(last.live.last.finish_reason, 'stopped');
  });

  test('a connection that cannot listen is told once, however often it is tried', async () => {
    const one = await startCluster(1, { network: true });
    const [node] = one.nodes;
    const told = () => node.log().split('the connection that listens was lost').length - 1;
    const proxy = node.home.network.database;
    let notices = 0;
    for (const round of [1, 2]) {
      await eventually(async () => await counted(node, 'node_news_notices_total') > notices, 'it listens');
      notices = await counted(node, 'node_news_notices_total');
      proxy.cuts = 0;
      proxy.cutAt = 'LISTEN tidetalk_news';
      psql(node.home.database.name, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${LISTENS}`);
      await eventually(() => proxy.cuts > 2, 'it is tried again and again');
      assert.equal(told(), round);
      proxy.cutAt = undefined;
    }
    await one.stop();
  });

  test('what is committed late is not missed', async (t) => {
    const [a] = cluster.nodes;
    const { session, live } = await begin();
    const id = sql('SELECT MAX(id) FROM chat_messages');
    const open = spawn('psql', ['-qX', `${process.env.TEST_POSTGRES}/${a.home.database.name}`], { stdio: ['pipe', 'ignore', 'inherit'] });
    t.after(() => open.kill());
    open.stdin.write(`BEGIN; INSERT INTO changes (kind, key) SELECT 'stop', user_id || ' ${id} ' || session_id`
      + ` FROM chat_sessions WHERE session_id = '${session}';\n`);
    await eventually(() => sql(`SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction'`
      + " AND query LIKE '%INSERT INTO changes%'"), 'its row is written');
    // A later one is committed, and read, before it.
    const before = await counted(a, 'node_news_total');
    sql("INSERT INTO changes (kind, key) VALUES ('else', 'x')");
    await eventually(async () => await counted(a, 'node_news_total') > before, 'the later one is read');
    assert.ok(!live.ended);
    open.stdin.end('COMMIT;\n');
    await within(live.end(), 'it ends');
    assert.equal(live.last.finish_reason, 'stopped');
  });

  test('a turn of a script waits for what runs on another node, and gives up while that lives', async () => {
    for (const path of ['/script/turn', '/script/append']) {
      const { here, there, session, live } = await begin();
      const busy = await there.post(path, { session });
      assert.equal(busy.body.code, 'session_busy', busy.text);
      const waiting = there.post(path, { session });
      await here.post(`/api/chat/sessions/${session}/stop`, {});
      await within(live.end(), 'it ends');
      assert.equal((await waiting).status, 200);
      assert.equal((await there.messages(session)).length, 4);
      await there.post('/script/stop', { session });
    }
  });

  test('a server alone has nothing of it', async (t) => {
    const port = await freePort();
    const home = makeHome({ port, env: LOOPBACK });
    const server = await new Server(home, port).start();
    t.after(async () => {
      await server.stop();
      home.remove();
    });
    const user = await server.user();
    await user.say('demo', 'alone', 'hello');
    assert.equal(psql(home.database.name, `SELECT COUNT(*) FROM pg_stat_activity WHERE ${LISTENS}`), '0');
    assert.equal(psql(home.database.name, 'SELECT COUNT(*) FROM changes'), '0');
  });
});
