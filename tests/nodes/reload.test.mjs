// covers: app/reload, node, app/admin, app/cli
// Scripts change on all nodes or on none: what one of them refuses serves nowhere, and none begins a turn with
// older scripts than the others'.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { psql } from '../e2e/support/databases.mjs';
import { admin } from '../e2e/support/admin.mjs';
import { eventually, test } from '../e2e/support/limits.mjs';
import { startMock } from '../e2e/support/mock.mjs';
import { writeScript } from '../e2e/support/scripts.mjs';
import { Server, tidetalk } from '../e2e/support/server.mjs';
import { listNodes, makeNode, startCluster, through } from './cluster.mjs';
import { allServe, generationOf, luaOf, prepare, putVersion, reload, versionOf, versionsOf } from './versions.mjs';

describe('a reload on nodes', () => {
  let mock;
  before(async () => { mock = await startMock(); });
  after(async () => { await mock.stop(); });

  test('reaches all of them, with requests running', async () => {
    const cluster = await startCluster(3, { prepare });
    const [a, b] = cluster.nodes;
    const user = await a.user();
    const model = await user.model(mock.url('echo=1'));
    let stop = false;
    let turns = 0;
    const talk = async (node) => {
      const client = through(node, user);
      for (let i = 0; !stop; i += 1) {
        const message = `${node.home.port}-${i}`;
        assert.equal((await client.say(model, `of-${node.home.port}`, message)).response, message);
        turns += 1;
      }
    };
    const load = cluster.nodes.map(talk);
    for (const [version, node] of [[2, a], [3, b], [4, a]]) {
      putVersion(luaOf(node), version);
      const answer = await reload(node);
      assert.equal(answer.status, 200, answer.text);
      await allServe(cluster, version);
      assert.equal(generationOf(a), String(answer.body.generation));
      const before = turns;
      await eventually(() => turns > before + 6, 'turns go on');
    }
    stop = true;
    await Promise.all(load);
    await eventually(async () => Object.values(await listNodes(b)).every((one) => one.scripts === generationOf(a)),
      'the list shows it');
    await cluster.stop();
  });

  test('that one of them refuses: none changes, and the answer says which one and where', async () => {
    const cluster = await startCluster(3, { prepare });
    const [a, b] = cluster.nodes;
    putVersion(luaOf(a), 2, 'b');
    const refused = await reload(a);
    assert.equal(refused.status, 422, refused.text);
    assert.equal(refused.body.code, 'scripts_invalid');
    assert.deepEqual(refused.body.errors.map(({ file, line, message, phase }) => ({ file, line, message, phase })),
      [{ file: 'routes/version.lua', line: 2, message: 'node b: not on this node', phase: 'load' }]);
    const command = await tidetalk(a.home, ['reload']);
    assert.equal(command.code, 1);
    assert.match(command.stderr + command.stdout, /routes\/version\.lua:2: node b: not on this node/);
    const dry = await admin(a, 'POST', '/admin/reload?dry_run=1');
    assert.equal(dry.status, 422, dry.text);
    assert.deepEqual(await versionsOf(cluster), [1, 1, 1]);
    assert.equal(generationOf(a), '1');

    // Asked of the one that refuses, it is not even proposed; without it, it is taken.
    putVersion(luaOf(b), 3, 'b');
    assert.equal((await reload(b)).status, 422);
    putVersion(luaOf(a), 4);
    const tried = await admin(a, 'POST', '/admin/reload?dry_run=1');
    assert.equal(tried.status, 200, tried.text);
    assert.equal(generationOf(a), '1');
    assert.equal((await reload(a)).body.generation, 2);
    await allServe(cluster, 4);
    assert.equal(psql(a.home.database.name, 'SELECT count(*) FROM node_proposals'), '0');
    await cluster.stop();
  });

  test('refused with a text that the database does not take: refused all the same, and built once', async () => {
    const cluster = await startCluster(2, { prepare });
    const [a, b] = cluster.nodes;
    const sql = (text) => psql(a.home.database.name, text);
    const refuse = (bytes) => writeScript(luaOf(a), 'routes/version.lua',
      `if require("tide.config").get("nodes.name") == "b" then error("not ${bytes} here") end return {}`);
    refuse('\\255');
    const bytes = await reload(a);
    assert.equal(bytes.body.errors[0].message, 'node b: not \ufffd here', bytes.text);

    sql("ALTER TABLE node_proposal_refusals ADD CHECK (text NOT LIKE '%not stored here%')");
    refuse('stored');
    const reasons = await reload(a);
    assert.equal(reasons.status, 422, reasons.text);
    assert.match(reasons.body.errors[0].message, /node b: the database did not store this node's answer, see its log/);

    // Its vote cannot be stored at all for a while: it builds again, but not with every look.
    const builds = () => b.log().split('that another node proposes are refused').length - 1;
    const before = builds();
    sql('ALTER TABLE node_proposal_votes ADD CONSTRAINT none CHECK (ready = 1)');
    const began = Date.now();
    const waiting = reload(a);
    await eventually(() => builds() > before + 1, 'it tries again');
    const tries = builds() - before;
    assert.ok(tries <= 1 + (Date.now() - began) / 1000, `${tries} times`);
    sql('ALTER TABLE node_proposal_votes DROP CONSTRAINT none');
    assert.equal((await waiting).status, 422);
    assert.deepEqual(await versionsOf(cluster), [1, 1]);
    await cluster.stop();
  });

  test('asked of two nodes at the same moment: one after the other', async () => {
    const cluster = await startCluster(2, { prepare });
    const [a, b] = cluster.nodes;
    putVersion(luaOf(a), 2);
    putVersion(luaOf(b), 3);
    const answers = await Promise.all([reload(a), reload(b)]);
    assert.deepEqual(answers.map((one) => one.status), [200, 200]);
    assert.deepEqual(answers.map((one) => one.body.generation).sort(), [2, 3]);
    await allServe(cluster, answers[0].body.generation === 3 ? 2 : 3);
    await cluster.stop();
  });

  test('a node that dies while it is asked does not stop it', async () => {
    const cluster = await startCluster(3, { prepare, env: { TIDETALK_NODES_LEASE: '4s' } });
    const [a, b, c] = cluster.nodes;
    b.signal('SIGSTOP'); // its vote is awaited as long as it lives
    putVersion(luaOf(a), 2);
    const asked = reload(a);
    await eventually(() => psql(a.home.database.name, 'SELECT count(*) FROM node_proposal_votes') === '2',
      'the other two are ready');
    assert.equal(generationOf(a), '1');
    await b.kill();
    assert.equal((await asked).status, 200);
    await eventually(async () => await versionOf(c) === 2, 'the one that lives has changed');

    // The node that asks dies: nothing changes, and the next reload is not held up.
    putVersion(luaOf(c), 3, 'c');
    c.signal('SIGSTOP');
    putVersion(luaOf(a), 3);
    reload(a).catch(() => {});
    await eventually(() => psql(a.home.database.name, 'SELECT count(*) FROM node_proposals') === '1', 'it is proposed');
    await a.kill();
    c.signal('SIGCONT');
    assert.equal(await versionOf(c), 2);
    putVersion(luaOf(c), 4);
    const answer = await reload(c);
    assert.equal(answer.status, 200, answer.text);
    assert.equal(await versionOf(c), 4);
    await cluster.stop({ except: [a, b] });
  });

  test('a node that slept through it begins no turn with the scripts of before', async () => {
    const cluster = await startCluster(2, { prepare });
    const [a, b] = cluster.nodes;
    const user = await a.user();
    const model = await user.model(mock.url('echo=1'));
    await user.say(model, 'slept', 'before');
    b.signal('SIGSTOP');
    await eventually(async () => (await listNodes(a)).b.state === 'dead', 'its lease is over');
    putVersion(luaOf(a), 2);
    const answer = await reload(a);
    assert.equal(answer.status, 200, answer.text);
    await user.say(model, 'slept', 'after');
    // They wait in its listener, so they are the first that it does.
    const client = through(b, user);
    const late = ['slept', 'new', 'newer'].map((session) => client.say(model, session, `late in ${session}`));
    b.signal('SIGCONT');
    for (const [i, reply] of (await Promise.all(late)).entries()) {
      assert.equal(reply.response, `late in ${['slept', 'new', 'newer'][i]}`);
    }
    assert.equal(psql(a.home.database.name, 'SELECT DISTINCT turn_generation FROM chat_sessions'), '2');
    await allServe(cluster, 2);
    await cluster.stop();
  });

  test('a node that cannot build what the others serve takes no turns', async () => {
    const cluster = await startCluster(2, { prepare });
    const [a, b] = cluster.nodes;
    const user = await a.user();
    const model = await user.model(mock.url('echo=1'));
    b.signal('SIGSTOP');
    await eventually(async () => (await listNodes(a)).b.state === 'dead', 'its lease is over');
    putVersion(luaOf(a), 2, 'b');
    assert.equal((await reload(a)).status, 200);
    b.signal('SIGCONT');
    await eventually(async () => (await (await fetch(`${b.url}/readyz`)).json()).status === 'scripts_outdated',
      'it is not ready');
    const client = through(b, user);
    assert.equal((await client.say(model, 'elsewhere', 'hello')).response, 'hello', 'it is passed on');
    assert.equal(psql(a.home.database.name, 'SELECT DISTINCT turn_generation FROM chat_sessions'), '2');
    assert.equal((await reload(b)).body.code, 'scripts_outdated');
    putVersion(luaOf(a), 3);
    assert.equal((await reload(a)).body.code, undefined);
    await allServe(cluster, 3);
    await eventually(async () => (await fetch(`${b.url}/readyz`)).status === 200, 'it is ready again');
    await cluster.stop();
  });

  test('a database that has lost the last reload: all nodes go back with it', async () => {
    const cluster = await startCluster(2, { prepare });
    const [a, b] = cluster.nodes;
    const user = await a.user();
    const model = await user.model(mock.url('echo=1'));
    for (const version of [2, 3]) {
      putVersion(luaOf(a), version);
      assert.equal((await reload(a)).status, 200);
      await allServe(cluster, version);
    }
    const sql = (text) => psql(a.home.database.name, text);
    const LOSE = `DELETE FROM script_generations WHERE number = 3;
      UPDATE script_generations SET outcome = 'current' WHERE number = 2;`;
    sql(LOSE);
    await allServe(cluster, 2);
    for (const [i, client] of [user, through(b, user)].entries()) {
      assert.equal((await client.say(model, `back-${i}`, 'hello')).response, 'hello');
    }
    putVersion(luaOf(b), 4);
    assert.equal((await reload(b)).body.generation, 3);
    await allServe(cluster, 4);

    // Another one has the lost one's number before anybody has looked.
    sql(`BEGIN; ${LOSE} UPDATE script_generations SET outcome = 'replaced' WHERE number = 2;
      INSERT INTO script_generations SELECT 3, hash, created_at, made_by, 1, changed, 'current'
        FROM script_generations WHERE number = 1;
      INSERT INTO script_generation_files SELECT 3, path, file_hash FROM script_generation_files WHERE generation = 1;
      COMMIT`);
    await allServe(cluster, 1);
    putVersion(luaOf(a), 5);
    assert.equal((await reload(a)).body.generation, 4);
    await allServe(cluster, 5);
    await cluster.stop();
  });

  test('a rollback is one of all nodes', async () => {
    const cluster = await startCluster(2, { prepare });
    const [a, b] = cluster.nodes;
    putVersion(luaOf(a), 2);
    assert.equal((await reload(a)).status, 200);
    await allServe(cluster, 2);
    const answer = await admin(b, 'POST', '/admin/rollback');
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.body.restores, 1);
    await allServe(cluster, 1);
    assert.equal((await reload(a)).body.code, 'scripts_rolled_back');
    assert.equal(psql(a.home.database.name, "SELECT outcome FROM script_generations WHERE number = 2"), 'rolled_back');
    await cluster.stop();
  });

  test('on probation: failures are counted over all nodes, and one rolls back for all', async () => {
    const cluster = await startCluster(2, { prepare, env: { TIDETALK_RELOAD_PROBATION_ERRORS: '6' } });
    const [a, b] = cluster.nodes;
    writeScript(luaOf(a), 'routes/version.lua', `return { { method = "GET", path = "/api/version", auth = "none",
      handler = function() error("broken") end } }`);
    assert.equal((await reload(a)).status, 200);
    await eventually(async () => (await b.client().get('/api/version')).status === 500, 'it has changed too');
    // Neither of them sees enough by itself.
    const ask = (node, times) => Promise.all(Array.from({ length: times }, () => node.client().get('/api/version')));
    await Promise.all([ask(a, 4), ask(b, 3)]);
    await allServe(cluster, 1);
    const rows = psql(a.home.database.name,
      'SELECT number, made_by, outcome, restores FROM script_generations ORDER BY number').split('\n');
    assert.deepEqual(rows, ['1|start|replaced|', '2|uid:0|rolled_back|', '3|probation|current|1']);
    await cluster.stop();
  });

  test('a node that starts takes what the others serve, whatever is in its folder', async () => {
    const cluster = await startCluster(1, { prepare });
    const [a] = cluster.nodes;
    const home = await makeNode(a.home, { name: 'b' });
    prepare(home);
    putVersion(join(home.folder, 'lua'), 2);
    const users = await tidetalk(home, ['user', 'list']); // with scripts, without a server
    assert.equal(users.code, 0, users.stderr);
    assert.equal(generationOf(a), '1');
    const b = await new Server(home, home.port).start();
    assert.equal(await versionOf(b), 1);
    const ready = await (await fetch(`${b.url}/readyz`)).json();
    assert.equal(ready.scripts, 'history');
    assert.match((await admin(b, 'GET', '/readyz')).body.scripts_reason, /a reload here proposes these/);
    assert.equal(generationOf(a), '1');
    assert.equal((await reload(b)).body.generation, 2);
    await allServe({ nodes: [a, b] }, 2);
    assert.equal((await (await fetch(`${b.url}/readyz`)).json()).scripts, 'disk');

    // What it cannot build is said, and it does not start.
    await b.stop();
    putVersion(luaOf(a), 3, 'b');
    assert.equal((await reload(a)).status, 200);
    const refused = await tidetalk(home, ['serve']);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /routes\/version\.lua:2: not on this node/);

    // With nobody else there its own folder counts, as on a server alone.
    await a.stop();
    await b.start();
    assert.equal(await versionOf(b), 2);
    await b.stop();
    home.remove();
    a.home.remove();
  });

  test('nodes that start at the same instant have one first generation', async () => {
    const cluster = await startCluster(1, { prepare });
    const [a] = cluster.nodes;
    const others = [];
    for (const name of ['b', 'c']) {
      const home = await makeNode(a.home, { name });
      prepare(home);
      others.push(new Server(home, home.port));
    }
    const nodes = [a, ...others];
    await a.stop();
    for (let round = 2; round < 5; round += 1) {
      nodes.forEach((node, i) => putVersion(luaOf(node), 10 * round + i));
      if (round === 4) psql(a.home.database.name, 'DELETE FROM script_generations'); // as in a new database
      await Promise.all(nodes.map((node) => node.start()));
      const [first, ...rest] = await versionsOf({ nodes });
      assert.equal(Math.floor(first / 10), round, 'one of the folders, as they are now');
      assert.deepEqual(rest, [first, first]);
      assert.equal(psql(a.home.database.name,
        "SELECT count(*) FROM script_generations WHERE outcome = 'current'"), '1');
      await Promise.all(nodes.map((node) => node.stop()));
    }
    others.forEach((node) => node.home.remove());
    a.home.remove();
  });
});
