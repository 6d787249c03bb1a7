// covers: node, app/admin, app/cli
// Nodes find each other; what does not fit is refused with a text that says what to do.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { psql } from '../e2e/support/databases.mjs';
import { eventually, test } from '../e2e/support/limits.mjs';
import { Server, makeHome, tidetalk } from '../e2e/support/server.mjs';
import { listNodes, makeNode, startCluster, through } from './cluster.mjs';

const serve = (home) => tidetalk(home, ['serve']);

describe('nodes', () => {
  test('see each other, drain and leave', async () => {
    const cluster = await startCluster(2);
    const [a, b] = cluster.nodes;
    const user = await a.user();
    assert.equal((await through(b, user).get('/api/profile')).status, 200);

    const nodes = await eventually(async () => {
      const found = await listNodes(b);
      return found.a?.generation && found.b?.generation && found;
    }, 'both nodes have told what they serve');
    assert.deepEqual(Object.keys(nodes).sort(), ['a', 'b']);
    assert.equal(nodes.a.state, 'alive');
    assert.equal(nodes.a.generation, nodes.b.generation);

    const drained = await tidetalk(a.home, ['drain']);
    assert.equal(drained.code, 0, drained.stderr);
    assert.match(drained.stdout, /nothing runs on this node/);
    assert.equal((await (await fetch(`${a.url}/readyz`)).json()).status, 'draining');
    await eventually(async () => (await listNodes(b)).a.state === 'draining', 'the other one sees it');
    await a.stop();
    assert.deepEqual(Object.keys(await listNodes(b)), ['b']);
    await cluster.stop({ except: [a] });
  });

  test('renew their leases while the read of who else is there hangs', async () => {
    const cluster = await startCluster(2);
    const sql = (text) => psql(cluster.nodes[0].home.database.name, text);
    const clock = (hang) => sql(`CREATE OR REPLACE FUNCTION tidetalk_now() RETURNS BIGINT LANGUAGE plpgsql STABLE AS $$
      BEGIN ${hang} RETURN (extract(epoch FROM now()) * 1000000)::bigint; END $$`);
    clock("IF current_setting('transaction_read_only') = 'on' THEN PERFORM pg_sleep(5); END IF;");
    await eventually(() => sql(`SELECT count(*) FROM pg_stat_activity WHERE state = 'active'
      AND query LIKE '%SELECT replies, script_generation FROM%' AND pid <> pg_backend_pid()
      HAVING count(*) = 2 AND extract(epoch FROM max(query_start)) * 1000000 + 1000
        < (SELECT min(heartbeat_at) FROM nodes)`) === '2', 'both have renewed it since they asked');
    clock('');
    await cluster.stop();
  });

  test('refuse another secret, other files and a server that is no node', async () => {
    const cluster = await startCluster(1);
    const first = cluster.nodes[0].home;

    const stranger = await makeNode(first, { name: 'b', secret: false });
    const other = await serve(stranger);
    assert.equal(other.code, 2);
    assert.match(other.stderr, /have another secret: give this one their secret file/);
    stranger.remove();

    const apart = await makeNode(first, { name: 'b', files: false });
    const files = await serve(apart);
    assert.equal(files.code, 2);
    assert.match(files.stderr, /the uploaded files of this node are not those of node a.*set files_url/);

    delete apart.env.TIDETALK_NODES_LISTEN;
    const alone = await serve(apart);
    assert.equal(alone.code, 2);
    assert.match(alone.stderr, /another server uses this database: .* set nodes\.listen/);
    apart.remove();

    assert.deepEqual(Object.keys(await listNodes(cluster.nodes[0])), ['a'], 'who was refused has left');
    await cluster.stop();

    // With nobody else there, another key is the operator's business.
    const home = await makeNode(undefined);
    await new Server(home, home.port).start().then((server) => server.stop());
    home.env.TIDETALK_SECRET_FILE = `${home.folder}/other.key`;
    await new Server(home, home.port).start().then((server) => server.stop());
    home.remove();
  });

  test('need PostgreSQL', async () => {
    const home = makeHome({ env: { TIDETALK_NODES_LISTEN: '127.0.0.1:7000', TIDETALK_DATABASE_URL: '' } });
    const { code, stderr } = await serve(home);
    assert.equal(code, 2);
    assert.match(stderr, /nodes share a database of PostgreSQL: set database_url/);
    home.remove();
  });
});
