// covers: app/admin, http, upstream
// /metrics: well-formed, and true.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { adminText, statusOf } from './support/admin.mjs';
import { Bundle, appScript, helperScript, reloaded } from './support/bundle.mjs';
import { readExposition } from './support/exposition.mjs';
import { eventually, test } from './support/limits.mjs';
import { ROOT } from './support/process.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

async function metricsOf(server) {
  const answer = await adminText(server, 'GET', '/metrics');
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  return readExposition(answer.text);
}

/** The sum of a family's samples with these labels. */
function sum(families, name, labels = {}) {
  const family = families.get(`tidetalk_${name}`);
  assert.ok(family, `tidetalk_${name} is there`);
  return family.samples
    .filter((sample) => !sample.name.endsWith('_bucket') && !sample.name.endsWith('_sum'))
    .filter((sample) => Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
    .reduce((total, sample) => total + sample.value, 0);
}

describe('metrics', () => {
  const context = withServer({ mock: true, env: LOOPBACK });

  test('the page for operators lists exactly these', async () => {
    const [, part] = readFileSync(join(ROOT, 'docs/operating.md'), 'utf8').split('\n## Metrics\n');
    const rows = part.split('\n').filter((line) => line.startsWith('| '));
    const listed = rows.flatMap((row) => row.match(/`[a-z_]+`/g) ?? []).map((name) => name.slice(1, -1));
    const exposed = [...(await metricsOf(context.server)).keys()];
    assert.deepEqual(listed.map((name) => `tidetalk_${name}`).sort(), exposed.sort());
  });

  test('/admin/status has its members, in their order', async () => {
    const status = await statusOf(context.server);
    const names = Object.entries(status).map(([name, value]) => (
      value !== null && typeof value === 'object' && !Array.isArray(value) ? `${name}: ${Object.keys(value).join(' ')}` : name));
    assert.deepEqual(names, [
      'version', 'generation', 'scripts', 'generations_live', 'uptime_ms', 'workers', 'port',
      'replies_running', 'sessions_busy', 'reply_memory', 'unread', 'replies_repaired',
      'script_timeouts', 'script_stuck', 'script_stuck_now', 'generations',
      'pools_busy: aux names password files text',
      'database: jobs commits failed_jobs largest_batch waiting wal_size',
      'disk_full',
      'queues: done failed waiting later running dead',
      'cache: entries bytes hits misses stale',
      'redis: state opened hits misses timeouts errors skipped last_error',
      'breakers',
    ]);
    assert.equal(status.workers, 2);
    assert.equal(status.port, context.server.port);
  });

  test('requests are counted by route and status, whatever they are called', async () => {
    const { server } = context;
    const before = await metricsOf(server);
    const client = await server.user();
    for (let i = 0; i < 5; i += 1) await client.get('/api/profile');
    await server.client().get('/api/profile');
    await client.get('/api/user/apis/a-name-of-a-user');
    await client.get('/secret-path-of-a-user');
    const after = await metricsOf(server);
    const grown = (labels) => sum(after, 'requests_total', labels) - sum(before, 'requests_total', labels);
    assert.equal(grown({ route: '/api/profile', status: '2xx' }), 5);
    assert.equal(grown({ route: '/api/profile', status: '4xx' }), 1);
    assert.equal(grown({ route: '/api/user/apis/:name', status: '4xx' }), 1);
    assert.equal(grown({ route: '-', status: '4xx' }), 1);
    assert.equal(sum(after, 'request_duration_seconds', { route: '/api/profile' }), 6);
    assert.ok(!JSON.stringify([...after.values()]).includes('of-a-user'));
  });

  test('replies, tokens, upstream calls and commits are counted', async () => {
    const { server, mock } = context;
    const client = await server.user();
    const model = await client.model(mock.url('tokens=8'));
    const before = await metricsOf(server);
    const answer = await client.say(model, 'session-of-metrics', 'hello');
    const after = await metricsOf(server);
    const grown = (name) => sum(after, name) - sum(before, name);
    assert.equal(grown('replies_total'), 1);
    assert.equal(grown('replies_failed_total'), 0);
    assert.equal(grown('reply_bytes_total'), Buffer.byteLength(answer.response));
    assert.equal(grown('reply_output_tokens_total'), answer.usage.output_tokens);
    assert.equal(grown('upstream_calls_total'), 1);
    assert.ok(grown('db_commits_total') >= 2);
    assert.equal(sum(after, 'replies_running'), 0);
  });

  test('every worker tells its part', async () => {
    const families = await metricsOf(context.server);
    for (const name of ['worker_up', 'tasks', 'connections', 'script_memory_bytes', 'loop_turn_max_seconds']) {
      assert.deepEqual(families.get(`tidetalk_${name}`).samples.map((s) => s.labels.worker), ['0', '1'], name);
    }
    assert.equal(sum(families, 'worker_up'), 2);
    assert.equal(sum(families, 'workers'), 2);
    assert.ok(sum(families, 'script_memory_bytes') > 100000);
    assert.ok(sum(families, 'resident_memory_bytes') > 1e6);
    assert.ok(sum(families, 'requests_in_flight') >= 1); // this one
    assert.equal(sum(families, 'redis_state'), 1);
    assert.equal(sum(families, 'generations'), 1);
  });

  test('many ask at once', async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => metricsOf(context.server)));
    assert.ok(all.every((families) => sum(families, 'worker_up') === 2));
  });

  test('it is not on the public listener', async () => {
    assert.equal((await context.server.client().get('/metrics')).status, 404);
  });
});

describe('metrics of scripts that fail', () => {
  const bundle = new Bundle({ 'app.lua': appScript({ routes: `
    { method = "GET", path = "/loop", auth = "none", handler = function() while true do end end },
    { method = "GET", path = "/memory", auth = "none", handler = function()
      local t = {} for i = 1, 1024 do t[i] = ("x"):rep(1 << 20) .. i end end },` }) });
  const context = withServer({ env: { ...bundle.env, TIDETALK_LIMITS_SCRIPT_TIME: '4s' } });

  test('are counted by code, and stay over a reload', async () => {
    const { server } = context;
    await server.client().get('/loop');
    await server.client().get('/fail');
    await server.client().get('/fail');
    await server.client().get('/memory');
    await server.client().get('/version');
    bundle.put('lib/helper.lua', helperScript(2));
    await reloaded(server);
    await server.client().get('/version');
    const families = await eventually(async () => {
      const found = await metricsOf(server);
      return sum(found, 'requests_total', { route: '/version' }) === 2 && found;
    }, 'all are counted');
    assert.equal(sum(families, 'script_failures_total', { code: 'script_timeout' }), 1);
    assert.equal(sum(families, 'script_failures_total', { code: 'internal_error' }), 2);
    assert.equal(sum(families, 'script_failures_total', { code: 'script_memory' }), 1);
    assert.equal(sum(families, 'script_stopped_total'), 1);
    assert.equal(sum(families, 'requests_total', { route: '/fail', status: '5xx' }), 2);
    const status = await statusOf(server);
    assert.equal(status.script_timeouts, 1);
    assert.equal(status.script_stuck_now, 0);
    assert.ok(status.generations.some((one) => one.generation === status.generation));
    assert.deepEqual(Object.keys(status.pools_busy), ['aux', 'names', 'password', 'files', 'text']);
  });
});
