// late
// postgres
// covers: queue, plugin, tide, app/cli
// Durable jobs: they survive SIGKILL, are tried again, end as dead ones, take turns, and outlive reloads.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe } from 'node:test';
import { refused, reloaded } from './support/bundle.mjs';
import { numbers, readSql, writeSql } from './support/grown.mjs';
import { eventually, test } from './support/limits.mjs';
import { tidetalk } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';

/** POST /jobs pushes; a job does what its payload says, and notes its beginning and end. */
const plugin = (version, queue = 'concurrency = 2, attempts = 3, backoff = 10') => `
local db, json, queue = require "tide.db", require "tide.json", require "tide.queue"
local shared, time = require "tide.shared", require "tide.time"
local notes = shared.dict("jobs")
local function note(text)
  notes:set("note " .. notes:incr("count"), text)
end
local function run(job)
  local payload = job.payload
  note(("%s %d begins in %s"):format(payload.name, job.attempt, "${version}"))
  if payload.sleep then time.sleep(payload.sleep) end
  local gate = payload.gates and payload.gates[job.attempt] or payload.gate
  while gate and not notes:get(gate) do time.sleep(10) end
  if job.attempt <= (payload.fails or 0) then
    return nil, { code = "no_tide", message = "of " .. payload.name, retry_after = payload.retry_after }
  end
  if payload.raises then error("broken") end
  if payload.says then return nil, { code = "says", message = payload.says, retry = false } end
  if payload.vain then return nil, { code = "gone", retry = false } end
  note(("%s ends in %s"):format(payload.name, "${version}"))
end
local function push(path, auth)
  return { method = "POST", path = path, auth = auth, summary = "Pushes a job.",
    params = { fields = { { name = "queue", type = "string" } } },
    request = { fields = { { name = "payload", type = "string" }, { name = "key", type = "string" },
      { name = "delay", type = "integer" }, { name = "user", type = "integer" } } },
    handler = function(req)
      local pushed, err = queue.push(req.args.queue, json.decode(req.body.payload),
        { key = req.body.key, delay = req.body.delay, user = req.user and req.user.id or req.body.user })
      return pushed and { json = pushed }, err
    end }
end
return {
  api = 1,
  queues = { work = { run = run, ${queue} }, brief = { run = run, timeout = 50, attempts = 1 },
    patient = { run = run, backoff = function(attempt) return attempt * 2000000 end } },
  routes = {
    push("/jobs/:queue", "none"),
    push("/own/jobs/:queue", "user"),
    { method = "POST", path = "/gates/:name", auth = "none", summary = "Opens a gate.",
      params = { fields = { { name = "name", type = "string" } } }, request = { fields = {} },
      handler = function(req) notes:set(req.args.name, 1) return { json = {} } end },
    { method = "POST", path = "/leases", auth = "none", summary = "Ends leases.", request = { fields = {} },
      handler = function()
        local done, err = db.write({ { "UPDATE queue_jobs SET lease_until = 0 WHERE status = 'running'" } })
        return done and { json = {} }, err
      end },
    { method = "GET", path = "/notes", auth = "none", summary = "What jobs noted.", handler = function()
      local all = {}
      for i = 1, notes:get("count") or 0 do all[i] = notes:get("note " .. i) end
      return { json = json.array(all) }
    end },
  },
}`;

function withQueue(...given) {
  const context = withServer();
  context.put = (...words) => {
    const folder = join(context.server.home.folder, 'plugins/work');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'plugin.lua'), plugin(...words));
  };
  context.notes = async () => (await context.server.client().get('/notes')).body;
  context.push = async (payload, more = {}, { queue = 'work', as } = {}) => {
    const answer = await (as ?? context.server.client()).post(`${as ? '/own' : ''}/jobs/${queue}`, { payload: JSON.stringify(payload), ...more });
    assert.equal(answer.status, 200, answer.text);
    return answer.body;
  };
  context.open = (name) => context.server.client().post(`/gates/${name}`, {});
  context.noted = (text) => eventually(async () => (await context.notes()).includes(text), text);
  context.idle = () => eventually(
    async () => await readSql(context.server.home, 'coalesce((SELECT sum(jobs) FROM queue_counts), 0)') === '0',
    'no job is left',
  );
  context.command = async (...words) => {
    const { code, stdout, stderr } = await tidetalk(context.server.home, ['queue', ...words]);
    return { code, stdout, stderr, rows: stdout.trim().split('\n').slice(1).map((line) => line.split(/ +/)) };
  };
  context.deadJobs = (count, queue = 'work') => eventually(async () => {
    const { rows } = await context.command('jobs', queue);
    return rows.length === count && rows;
  }, `${count} dead jobs`);
  before(async () => {
    context.put(1, ...given);
    await reloaded(context.server);
  });
  return context;
}

describe('jobs', () => {
  const context = withQueue();
  const { push, notes, noted, idle, command, deadJobs, open } = context;

  test('are done, and are gone then', async () => {
    assert.equal((await push({ name: 'first' })).new, true);
    await noted('first ends in 1');
    await idle();
  });

  test('are tried again when they fail', async () => {
    await push({ name: 'stubborn', fails: 2 });
    await noted('stubborn ends in 1');
    const attempts = (await notes()).filter((line) => /^stubborn \d begins/.test(line));
    assert.deepEqual(attempts, [1, 2, 3].map((n) => `stubborn ${n} begins in 1`));
    await idle();
  });

  test('that fail wait as their queue or their error says, and up to a quarter longer', async () => {
    const waits = async (queue, retry_after) => {
      const { id } = await push({ name: 'patient', fails: 1, retry_after }, {}, { queue });
      const [row, quarters] = [`FROM queue_jobs WHERE id = ${id} AND attempt = 1 AND status = 'later'`, retry_after ? 250 : 500];
      await eventually(async () => await readSql(context.server.home, `(SELECT count(*) ${row})`) === '1', 'it waits');
      assert.equal(await readSql(context.server.home, `(SELECT (run_at - updated_at) / ${quarters}000000 ${row})`), '4');
      assert.equal((await command('remove', String(id))).code, 0);
    };
    await waits('work', 1000);
    await waits('patient');
  });

  test('that fail too often are dead; the operator lists, retries and removes them', async () => {
    const { id } = await push({ name: 'hopeless', fails: 3 });
    const [row] = await deadJobs(1);
    assert.equal(Number(row[0]), id);
    assert.match(row.join(' '), /no_tide: of hopeless .*"name":"hopeless"/);
    const { stdout } = await command('list');
    assert.match(stdout, /^work +true +0 +0 +0 +1$/m);
    assert.equal((await command('retry', String(id))).code, 0);
    await eventually(async () =>
      (await notes()).filter((line) => line === 'hopeless 3 begins in 1').length === 2, 'it begins anew');
    await deadJobs(1);
    assert.equal((await command('remove', String(id))).code, 0);
    await idle();
    const again = await command('retry', String(id));
    assert.equal(again.code, 1);
    assert.match(again.stderr, /no such job/);
  });

  test('end at once when it is in vain, when they raise at last, or take too long', async () => {
    await push({ name: 'vain', vain: true });
    await push({ name: 'raising', raises: true });
    await push({ name: 'slow', sleep: 600000 }, {}, { queue: 'brief' });
    const rows = await deadJobs(2);
    assert.equal((await notes()).filter((line) => /^vain \d/.test(line)).length, 1);
    assert.match(rows.map((row) => row.join(' ')).join('\n'), /plugin\.lua:\d+: broken/);
    const [slow] = await deadJobs(1, 'brief');
    assert.match(slow.join(' '), /longer than 50 ms/);
    for (const [id] of [...rows, slow]) await command('remove', id);
    await idle();
  });

  test('keep as much of an error as fits, in whole characters', async () => {
    await push({ name: 'says', says: '潮'.repeat(200) });
    const [[id]] = await deadJobs(1);
    const kept = await readSql(context.server.home, '(SELECT error FROM queue_jobs)');
    assert.equal(kept.trim(), `says: ${'潮'.repeat(164)}`);
    await command('remove', id);
  });

  test('with a key are there once until they have ended', async () => {
    const gated = { name: 'keyed', gate: 'keyed' };
    const first = await push(gated, { key: 'k' });
    assert.deepEqual(await push(gated, { key: 'k' }), { id: first.id, new: false });
    await open('keyed');
    await idle();
    assert.equal((await push({ name: 'keyed' }, { key: 'k' })).new, true);
    await idle();
    assert.equal((await notes()).filter((line) => line === 'keyed ends in 1').length, 2);
  });

  test('with a delay wait for it', async () => {
    await push({ name: 'later' }, { delay: 500 });
    assert.equal(await readSql(context.server.home, '(SELECT status FROM queue_jobs)'), 'later');
    await noted('later ends in 1');
    await idle();
  });

  test('too large a payload and an unknown user are refused', async () => {
    const answer = await context.server.client().post('/jobs/work', { payload: JSON.stringify('x'.repeat(70000)) });
    assertError(answer, 413, 'job_too_large');
    assertError(await context.server.client().post('/jobs/work', { payload: '{}', user: 999999 }), 409, 'foreign_key');
  });

  test('whose lease is over are another attempt\'s, and the first one ends nothing', async () => {
    await push({ name: 'lost', gates: ['lost 1', 'lost 2'] });
    await noted('lost 1 begins in 1');
    assert.equal((await context.server.client().post('/leases', {})).status, 200);
    await noted('lost 2 begins in 1');
    await open('lost 1');
    await eventually(() => /"the end of a job was not written; it is repeated".*"lease_over"/.test(context.server.log()),
      'the first end is not written');
    assert.equal(await readSql(context.server.home, '(SELECT attempt FROM queue_jobs)'), '2');
    await open('lost 2');
    await idle();
  });

  test('that run during a reload end with their code, the next ones with the new one', async () => {
    await push({ name: 'during', gate: 'during' });
    await noted('during 1 begins in 1');
    context.put(2);
    await reloaded(context.server);
    await push({ name: 'next' });
    await noted('next ends in 2');
    await open('during');
    await noted('during ends in 1');
    await idle();
  });

  test('of a queue that no script has any more wait, and are listed', async () => {
    context.put(3);
    await push({ name: 'orphan' }, { delay: 60000 });
    writeFileSync(join(context.server.home.folder, 'plugins/work/plugin.lua'), 'return { api = 1 }');
    await reloaded(context.server);
    assert.match((await command('list')).stdout, /^work +false +0 +1 +0 +0$/m);
    context.put(3);
    await reloaded(context.server);
    const { rows } = await command('jobs', 'work', 'later');
    await command('remove', rows[0][0]);
    await idle();
  });

  test('a mistake in a queue is refused with its line', async () => {
    context.put(4, 'concurrency = 33');
    const [error] = await refused(context.server);
    assert.match(error.message, /queue 'work': 'concurrency' must be an integer from 1 to 32/);
  });
});

describe('jobs of several users', () => {
  const context = withQueue('concurrency = 2, user_concurrency = 1, backlog = 8, user_backlog = 5');
  const { push, notes, noted, idle, open } = context;

  test('take turns: a backlog of one holds up nobody, and is bounded', async () => {
    const [many, one] = [await context.server.user('many'), await context.server.user('one')];
    for (let i = 1; i <= 5; i += 1) await push({ name: `many${i}`, gate: 'turns' }, {}, { as: many });
    assertError(await many.post('/own/jobs/work', { payload: '{}' }), 503, 'queue_full');
    await push({ name: 'one1', gate: 'turns' }, {}, { as: one });
    // The second place is not the first user's.
    await noted('one1 1 begins in 1');
    await push({ name: 'one2' }, {}, { as: one });
    await push({ name: 'one3' }, {}, { as: one });
    assertError(await one.post('/own/jobs/work', { payload: '{}' }), 503, 'queue_full');
    assert.deepEqual((await notes()).filter((line) => /begins/.test(line)),
      ['many1 1 begins in 1', 'one1 1 begins in 1']);
    await open('turns');
    await idle();
    const order = (await notes()).filter((line) => /begins/.test(line)).map((line) => line.split(' ')[0]);
    assert.deepEqual(order.filter((name) => name.startsWith('one')), ['one1', 'one2', 'one3']);
    assert.deepEqual(order.filter((name) => name.startsWith('many')), ['many1', 'many2', 'many3', 'many4', 'many5']);
  });
});

describe('two workers that take jobs at once', () => {
  const context = withServer();

  test('do not take more of one user than may run', async () => {
    const { server } = context;
    mkdirSync(join(server.home.folder, 'plugins/twice'), { recursive: true });
    // The other worker takes its jobs when this one has counted those that run.
    writeFileSync(join(server.home.folder, 'plugins/twice/plugin.lua'), `
local jobs, json = require "queue.jobs", require "tide.json"
local limits = { concurrency = 4, user_concurrency = 1, timeout = 60000 }
return { api = 1, routes = { { method = "POST", path = "/twice", auth = "user", summary = "Takes jobs.",
  request = { fields = {} }, handler = function(req)
    for i = 1, 2 do
      assert(jobs.push({ queue = "nobody's", payload = i, user = req.user.id, attempts = 1, backlog = 9, user_backlog = 9 }))
    end
    local others
    local slow = setmetatable({}, { __index = function(_, name)
      others = others or name == "concurrency" and jobs.claim("nobody's", limits, "other")
      return limits[name]
    end })
    local own = jobs.claim("nobody's", slow, "own")
    return { json = json.array({ #others, #own }) }
  end } } }`);
    await reloaded(server);
    const user = await server.user('twice');
    assert.deepEqual(await user.ok('POST', '/twice', {}), [1, 0]);
  });
});

describe('jobs in one place', () => {
  const context = withQueue('concurrency = 1');
  const { push, notes, noted, idle, open } = context;

  test('go round the users, each with its own order', async () => {
    const [many, few] = [await context.server.user('many'), await context.server.user('few')];
    await push({ name: 'gate', gate: 'one place' });
    await noted('gate 1 begins in 1');
    for (let i = 1; i <= 4; i += 1) await push({ name: `many${i}` }, {}, { as: many });
    for (let i = 1; i <= 2; i += 1) await push({ name: `few${i}` }, {}, { as: few });
    await push({ name: 'server1' });
    await open('one place');
    await idle();
    const order = (await notes()).filter((line) => /ends/.test(line)).map((line) => line.split(' ')[0]);
    assert.deepEqual(order.slice(1).filter((name) => name !== 'server1'), ['many1', 'few1', 'many2', 'few2', 'many3', 'many4']);
    assert.ok(order.indexOf('server1') < order.indexOf('many3'), order.join(' '));
  });
});

describe('jobs that are not added or come later', () => {
  const context = withQueue('concurrency = 1');
  const { push, notes, noted, open } = context;

  test('take no turn: their user is not behind others', async () => {
    const [eager, other] = [await context.server.user('eager'), await context.server.user('other')];
    await push({ name: 'gate', gate: 'no turn' });
    await noted('gate 1 begins in 1');
    for (let i = 1; i <= 4; i += 1) await push({ name: 'eager0' }, { key: 'once' }, { as: eager });
    for (let i = 1; i <= 4; i += 1) await push({ name: `tomorrow${i}` }, { delay: 86400000 }, { as: eager });
    for (let i = 1; i <= 4; i += 1) await push({ name: `other${i}` }, {}, { as: other });
    await push({ name: 'eager1' }, {}, { as: eager });
    await open('no turn');
    await noted('other4 ends in 1');
    const order = (await notes()).filter((line) => /ends/.test(line)).map((line) => line.split(' ')[0]);
    assert.deepEqual(order, ['gate', 'eager0', 'other1', 'other2', 'eager1', 'other3', 'other4']);
  });
});

describe('jobs and SIGKILL', () => {
  const context = withQueue('concurrency = 4, attempts = 2, backoff = 10');
  const { push, notes, noted, idle, open, deadJobs, command } = context;

  test('a job that was cut off is done again, and those that waited are done', async () => {
    const { server } = context;
    for (let i = 1; i <= 4; i += 1) await push({ name: `cut${i}`, gate: 'never' });
    for (let i = 1; i <= 3; i += 1) await push({ name: `waiting${i}` });
    await push({ name: 'tomorrow' }, { delay: 1000 });
    await eventually(async () => (await notes()).length === 4, 'four run');
    await server.kill();
    await server.start();
    for (let i = 1; i <= 4; i += 1) await noted(`cut${i} 2 begins in 1`);
    await open('never');
    for (const name of ['waiting1', 'waiting2', 'waiting3', 'tomorrow']) await noted(`${name} ends in 1`);
    await idle();
    const begun = (await notes()).filter((line) => /^waiting\d 1 begins/.test(line));
    assert.equal(new Set(begun).size, begun.length);
  });

  test('a job that takes the server with it each time is dead in the end', async () => {
    const { server } = context;
    await push({ name: 'deadly', gate: 'never again' });
    await noted('deadly 1 begins in 1');
    await server.kill();
    await server.start();
    await noted('deadly 2 begins in 1');
    await server.kill();
    await server.start();
    const [row] = await deadJobs(1);
    assert.match(row.join(' '), /the server ended during the last attempt/);
    await command('remove', row[0]);
    await idle();
  });

  test('no job is lost or left, whenever the server is killed', async () => {
    const { server } = context;
    const pushed = new Set();
    for (let round = 0; round < 6; round += 1) {
      let killed = false;
      const pushing = (async () => {
        for (let i = 0; !killed; i += 1) {
          const name = `storm${round}.${i}`;
          const answer = await server.client().post('/jobs/work', { payload: JSON.stringify({ name, sleep: 1 }), key: name })
            .catch(() => null);
          if (answer?.status === 200) pushed.add(name);
        }
      })();
      const before = pushed.size;
      await eventually(() => pushed.size >= before + 5 + 7 * round, 'some are pushed');
      killed = true;
      await server.kill();
      await pushing;
      await server.start();
    }
    assert.ok(pushed.size > 0);
    await idle();
    await server.stop();
    await server.start();
    assert.equal(await readSql(server.home, '(SELECT count(*) FROM queue_jobs)'), '0');
  });

  test('of the dead ones the newest thousand are kept, and of the users those who have a turn', async () => {
    const { server } = context;
    await server.stop();
    await writeSql(server.home, `${numbers(1, 1003)} INSERT INTO queue_jobs (queue, owner, payload, status, turn, run_at,
        attempt, attempts, lease, lease_until, error, created_at, updated_at)
      SELECT 'work', 0, 'null', 'dead', 0, i, 1, 1, '', 0, '', 0, 0 FROM n`,
    "INSERT INTO queue_owners (queue, owner, turn) VALUES ('work', 998, 100), ('work', 999, 98)");
    await server.start();
    await eventually(async () => await readSql(server.home, '(SELECT count(*) FROM queue_jobs)') === '1000', 'three are gone');
    assert.equal(await readSql(server.home, '(SELECT min(run_at) FROM queue_jobs)'), '4');
    assert.equal(await readSql(server.home, '(SELECT count(*) FROM queue_owners WHERE owner = 999)'), '0', 'its turn is long past');
  });
});
