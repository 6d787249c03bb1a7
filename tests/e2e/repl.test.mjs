// late
// sqlite
// covers: app/cli, script, tide
// `tidetalk repl`: lines of Lua in the real environment, and nothing of a running server touched.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe } from 'node:test';
import { test } from './support/limits.mjs';
import { ROOT } from './support/process.mjs';
import { withServer } from './support/suite.mjs';
import { makeHome, tidetalk } from './support/server.mjs';

describe('tidetalk repl', () => {
  const homes = [];
  after(() => homes.forEach((home) => home.remove()));
  const newHome = () => {
    homes.push(makeHome());
    return homes.at(-1);
  };
  const type = (home, lines, args = []) => tidetalk(home, ['repl', ...args], {
    input: lines.map((line) => `${line}\n`).join(''), env: { TMPDIR: home.folder },
  });

  test('prints results, keeps names, takes statements of several lines', async () => {
    const home = newHome();
    const { code, stdout, stderr } = await type(home, [
      '1 + 1, "two"', 'x = 20', 'x + 1', 'function twice(n)', '  return 2 * n', 'end', 'twice(x)',
      '{1, {a = "b"}, nil}', 'nil', 'db.one("SELECT 6 * 7 AS answer")', 'require("policy.title").from_message("Hi, sea")',
      'time.sleep(1)', 'select("#", json.decode("["))',
    ]);
    assert.equal(stderr, '');
    assert.equal(code, 0);
    assert.deepEqual(stdout.trim().split('\n'), [
      '2', 'two', '21', '40', '{1, {a = "b"}}', 'nil', '{answer = 42}', 'Hi, sea', '2',
    ]);
    assert.ok(!readdirSync(home.folder).includes('data'), 'no data folder is made');
    assert.ok(!readdirSync(home.folder).some((name) => name.startsWith('tidetalk-repl')), 'the copy is gone');
  });

  test('keeps locals from line to line', async () => {
    const { code, stdout, stderr } = await type(newHome(), [
      'local a, b <const> = 1, "two" local c', 'a, b', 'local function f(n)', '  local a = n * 2', '  return a', 'end',
      'f(21), a', 'for i = 1, 1 do local a = 5 end; local s = "local x"; print(s)', 'a, s',
      'local string = { upper = "mine" }', 'string.upper', 'require("policy.title").from_message("The tide")',
      'if true then local d = 1 end', 'd',
    ]);
    assert.deepEqual(stdout.trim().split('\n'), ['1', 'two', '42', '1', 'line:1: local x', '1', 'local x', 'mine', 'The tide']);
    assert.match(stderr, /'d' is not defined/);
    assert.equal(code, 1);
  });

  test('inspects values', async () => {
    const { code, stdout, stderr } = await type(newHome(), [
      'inspect({ 1, { deep = { deeper = true } }, ["end"] = "a\\n", f = require("policy.title").placeholder })',
      'local t = {}; t.t = t', 'inspect(t)', 'inspect({ { {} } }, 1)', 'inspect({})', 'inspect(db.query)',
    ]);
    assert.equal(code, 0, stderr);
    const lines = readFileSync(join(ROOT, 'lua/policy/title.lua'), 'utf8').split('\n');
    assert.equal(stdout, `{
  1,
  {
    deep = {
      deeper = true,
    },
  },
  ["end"] = "a\\n",
  f = <function at policy/title.lua:${lines.findIndex((line) => line.startsWith('function M.placeholder')) + 1}>,
}
{
  t = <a table that this one lies in>,
}
{
  {…},
}
{}
<function of the core>
`);
  });

  test('helps by name', async () => {
    const { code, stdout, stderr } = await type(newHome(), ['help', 'help time', 'help("time.sleep")', 'help tide.Route', 'help nowhere', 'helper = 1', 'helper']);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^modules: .*\bdb\b.*\btime\b/m);
    assert.match(stdout, /^time\.sleep: \S.*$/m);
    assert.match(stdout, /^function time\.sleep\(ms\)$/m);
    assert.match(stdout, /^@field method string$/m);
    assert.match(stdout, /^nothing is known about 'nowhere'/m);
    assert.match(stdout, /^1$/m);
  });

  test('goes on after errors, and fails in the end', async () => {
    const { code, stdout, stderr } = await type(newHome(), [
      'local t = nil; return t.x', '= 1', 'nowhere', 'string.upper = 1', '"still here"',
    ]);
    assert.equal(code, 1);
    assert.match(stderr, /line:1: attempt to index a nil value \(global 't'\)[^]*stack traceback/);
    assert.match(stderr, /'nowhere' is not defined/);
    assert.match(stdout, /^still here$/m);
    const torn = await type(newHome(), ['for i = 1, 2 do']);
    assert.equal(torn.code, 1);
    assert.match(torn.stderr, /ends within a statement/);
  });

  describe('beside a running server', () => {
    const context = withServer();

    test('works on a copy, and --write is refused', async () => {
      const user = await context.server.user();
      const { home } = context.server;
      const name = user.user.username;
      const { code, stdout, stderr } = await type(home, [
        `db.one("SELECT username FROM users WHERE username = ?", {"${name}"})`,
        'db.write({{"DELETE FROM users"}}) ~= nil', 'db.one("SELECT count(*) AS n FROM users")',
      ]);
      assert.equal(code, 0, stderr);
      assert.deepEqual(stdout.trim().split('\n'), [`{username = "${name}"}`, 'true', '{n = 0}']);
      await user.ok('GET', '/api/me');
      const write = await type(home, ['1'], ['--write']);
      assert.equal(write.code, 2);
      assert.match(write.stderr, new RegExp(`in use by process ${context.server.pid}`));
    });
  });

  test('--write changes the data folder', async () => {
    const home = newHome();
    const insert = 'db.write({{"INSERT INTO settings (key, value, updated_at) VALUES (\'k\', \'v\', \'t\')"}}) ~= nil';
    assert.equal((await type(home, [insert], ['--write'])).stdout.trim(), 'true');
    assert.equal((await type(home, ['db.one("SELECT value FROM settings WHERE key = \'k\'")'])).stdout.trim(), '{value = "v"}');
  });
});
