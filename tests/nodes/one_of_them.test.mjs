// covers: node, script, queue
// What one node does for all: timers, and jobs of queues. Another one goes on when it is gone.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { eventually, test } from '../e2e/support/limits.mjs';
import { makeFolder, removeFolder } from '../e2e/support/process.mjs';
import { startCluster } from './cluster.mjs';

const PLUGIN = `
local log, queue, time = require "tide.log", require "tide.queue", require "tide.time"
return {
  api = 1,
  timers = {
    one = { every = 50, first = "start", run = function() log.info("one ticks") end },
    each = { every = 50, nodes = "each", run = function() log.info("each ticks") end },
    cron = { cron = "* * * * *", first = "start", run = function() log.info("cron ticks") end },
  },
  queues = { work = { concurrency = 1, timeout = 600000, attempts = 3, run = function(job)
    log.info("job begins", { name = job.payload.name })
    time.sleep(job.payload.sleep or 0)
    log.info("job ends", { name = job.payload.name })
  end } },
  routes = { { method = "POST", path = "/jobs", auth = "none", summary = "Pushes a job.",
    request = { fields = { { name = "name", type = "string" }, { name = "sleep", type = "integer" } } },
    handler = function(req)
      local pushed, err = queue.push("work", { name = req.body.name, sleep = req.body.sleep })
      return pushed and { json = pushed }, err
    end } },
}`;

const count = (node, text) => node.log().split(text).length - 1;

describe('what one node does for all', () => {
  test('timers and jobs', async () => {
    const folder = makeFolder();
    mkdirSync(join(folder, 'work'), { recursive: true });
    writeFileSync(join(folder, 'work', 'plugin.lua'), PLUGIN);
    const cluster = await startCluster(2, { env: { TIDETALK_PLUGINS_DIR: folder, TIDETALK_DRAIN: '100ms' } });
    const [a, b] = cluster.nodes;

    await eventually(() => count(a, 'one ticks') > 3, 'the first node has the timers');
    await eventually(() => count(b, 'each ticks') > 20, 'a timer of each node');
    assert.equal(count(b, 'one ticks'), 0);

    for (let i = 0; i < 4; i += 1) {
      assert.equal((await cluster.nodes[i % 2].client().post('/jobs', { name: `job${i}.` })).status, 200);
    }
    await eventually(() => count(a, 'job ends') === 4, 'the first node does the jobs of both');
    assert.equal(count(b, 'job begins'), 0);

    await b.client().post('/jobs', { name: 'long', sleep: 600000 });
    await b.client().post('/jobs', { name: 'behind it' });
    await eventually(() => count(a, '"name":"long"') === 1, 'a long one begins');
    await a.kill();
    const before = count(b, 'one ticks');
    await eventually(() => count(b, 'one ticks') > before + 3, 'the other one has the timers');
    await eventually(() => count(b, '"name":"long"') === 1, 'the job that was cut off begins again');
    assert.equal(count(b, 'behind it'), 0, 'one at a time');
    await b.stop();
    await cluster.stop({ except: [a, b] });
    removeFolder(folder);
  });
});
