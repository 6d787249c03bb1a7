// Slow reads wait for each other on one connection. Waiting there is not a connection that is silent.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { test } from '../e2e/support/limits.mjs';
import { makeFolder, removeFolder } from '../e2e/support/process.mjs';
import { copyScripts, nameRoute } from '../e2e/support/scripts.mjs';
import { startServer } from '../e2e/support/server.mjs';

/** Answers with the process of PostgreSQL that has slept. */
const ROUTE = `
local db = require "tide.db"
return {
  {
    method = "POST", path = "/api/test/sleep", auth = "none", summary = "Sleeps in the database",
    request = { fields = {} },
    response = { type = "object", fields = { { name = "pid", type = "integer" } } },
    handler = function()
      local rows, err = db.fetch("SELECT CAST(pg_backend_pid() AS BIGINT) AS pid, CAST(pg_sleep(8.5) AS TEXT) AS slept")
      return rows and { json = { pid = rows[1].pid } }, err
    end,
  },
}
`;

describe('slow reads', () => {
  test('the second of two is answered on the connection of the first', async () => {
    const folder = makeFolder();
    const lua = copyScripts(folder, { 'routes/sleep.lua': ROUTE });
    nameRoute(lua, 'sleep');
    const server = await startServer({ env: { TIDETALK_LUA_DIR: lua, TIDETALK_WORKERS: '1' } });
    const sleep = () => server.client().ok('POST', '/api/test/sleep', {});
    const answers = await Promise.all([sleep(), sleep()]);
    assert.equal(answers[0].pid, answers[1].pid);
    await server.stop();
    server.home.remove();
    removeFolder(folder);
  });
});
