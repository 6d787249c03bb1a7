// covers: app/cli, tide, lua/tests
// `tidetalk test`: the tests of the scripts, in the real environment.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe } from 'node:test';
import { test } from './support/limits.mjs';
import { copyScripts, writeScript } from './support/scripts.mjs';
import { makeHome, tidetalk } from './support/server.mjs';

const HEAD = 'local test = require "tide.test"\nlocal db = require "tide.db"\n';

describe('tidetalk test', () => {
  const homes = [];
  after(() => homes.forEach((home) => home.remove()));

  /** Runs the cases in `files` (path below lua/ -> text). */
  const run = async (files, { args = [], env = {} } = {}) => {
    const home = makeHome();
    homes.push(home);
    const lua = copyScripts(home.folder);
    for (const [path, text] of Object.entries(files)) writeScript(lua, path, HEAD + text);
    return { home, lua, ...await tidetalk(home, ['test', ...args], { env: { TIDETALK_LUA_DIR: 'lua', TMPDIR: home.folder, ...env } }) };
  };
  const one = (body) => ({ 'tests/one_test.lua': `test.case("one", function()\n${body}\nend)` });
  const ONE = ['lua/tests/one_test.lua'];

  test('runs what comes with the server', async () => {
    const { code, stdout, home } = await run({});
    assert.match(stdout, /^ok - lua\/tests\/chat_test\.lua: a message is answered.*\(\d+ ms\)$/m);
    assert.match(stdout, /^(\d+) passed, 0 failed$/m);
    assert.equal(code, 0, stdout);
    assert.deepEqual(readdirSync(home.folder).sort(), ['lua', 'style.yaml'], 'nothing is left');
  });

  test('tells where values differ, and which line failed', async () => {
    const { code, stdout } = await run(one(
      'test.equal({a = 1, list = {1, 2}, same = "x"}, {a = 1, list = {1, 3}, more = true}, "answer")',
    ), { args: ONE });
    assert.equal(code, 1);
    assert.match(stdout, /^not ok - lua\/tests\/one_test\.lua: one/m);
    assert.match(stdout, /lua\/tests\/one_test\.lua:4: not equal$/m);
    for (const line of ['answer.list[2]: expected 3, got 2', 'answer.more: expected true, got nil',
      'answer.same: expected nil, got "x"']) assert.ok(stdout.includes(`      ${line}\n`), `${line}\n${stdout}`);
    assert.doesNotMatch(stdout, /answer\.a|traceback/);
    assert.match(stdout, /^0 passed, 1 failed$/m);
  });

  test('shows what a failed case printed, and with --output what others did', async () => {
    const files = { 'tests/one_test.lua': `
print("at load")
test.case("fails", function()
  test.user()
  print("in the test", 7)
  require("tide.log").info("logged", { n = 1 })
  test.equal(test.request({ path = "/api/loud" }).status, 500)
end)
test.case("passes", function() print("quiet") end)
test.case("is silent", function() end)`,
    'chat/persona_routes.lua': `return {{method = "GET", path = "/api/loud", auth = "none", summary = "x",
      handler = function() print("in a handler") return { json = {} } end}}` };
    const { stdout } = await run(files, { args: ONE });
    assert.match(stdout, /^not ok - .*: fails .*\n {4}lua\/tests\/one_test\.lua:9: not equal\n/m);
    assert.match(stdout, /^ {4}output:\n {6}lua\/tests\/one_test\.lua:4: at load\n {6}lua\/tests\/one_test\.lua:7: in the test\t7\n {6}.*INFO.*logged.*n=1.*\n {6}.*chat\/persona_routes\.lua:4: in a handler\nok - /m);
    assert.doesNotMatch(stdout, /quiet/);
    const all = await run(files, { args: ['--output', ...ONE] });
    assert.match(all.stdout, /^ok - .*: passes .*\n {4}output:\n {6}.*: at load\n {6}.*: quiet\nok - /m);
    const silent = await run(one('test.equal(1, 2)'), { args: ['--output', ...ONE] });
    assert.doesNotMatch(silent.stdout, /output:/);
  });

  test('gives a bug its traceback, also one in a handler', async () => {
    const bug = await run(one('local x\nreturn x.y'), { args: ONE });
    assert.match(bug.stdout, /one_test\.lua:5: attempt to index a nil value[^]*stack traceback:/);
    const handler = await run({
      ...one('test.equal(test.request({path = "/api/broken"}).status, 200)'),
      'chat/persona_routes.lua': `return {{method = "GET", path = "/api/broken", auth = "none", summary = "x",
        handler = function() error("broken on purpose") end}}`,
    }, { args: ONE });
    assert.match(handler.stdout, /status|not equal/);
    assert.match(handler.stdout, /broken on purpose/, 'what the server said is shown');
  });

  test('keeps cases apart', async () => {
    const add = 'assert(db.write({{"INSERT INTO settings (key, value, updated_at) VALUES (\'k\', \'v\', \'t\')"}}))';
    const { code, stdout } = await run({
      'tests/a_test.lua': `local n = 0
        for i = 1, 2 do
          test.case("number " .. i, function() n = n + 1 test.equal(n, 1) ${add} end)
        end`,
    }, { args: ['lua/tests/a_test.lua'] });
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^2 passed, 0 failed$/m);
  });

  test('reaches no address but the scripted model', async () => {
    const { code, stdout } = await run(one(`
      local user = test.user()
      local api = test.request({path = "/api/user/apis", user = user, json = {
        api_name = "far", api_key = "k", model_name = "far", base_url = "https://1.1.1.1/v1"}})
      local answer = test.request({path = "/api/chat/message", user = user,
        json = {session_id = "s", model_name = "far", message = "hi"}})
      test.equal(answer.json.code, "address_not_allowed")`), { args: ONE });
    assert.equal(code, 0, stdout);
  });

  test('scripts errors, cuts, usage and reasoning', async () => {
    const { code, stdout } = await run(one(`
      test.upstream({"par", cut = true}, {status = 429, retry_after = 7},
        {"ok", reasoning = "why", usage = {input_tokens = 3, output_tokens = 2}, finish_reason = "length"})
      local user = test.user("my-model")
      local function say() return test.request({path = "/api/chat/message", user = user,
        json = {session_id = "s", model_name = "my-model", message = "hi"}}) end
      test.equal(say().json.code, "upstream_incomplete")
      local limited = say()
      test.equal({limited.json.code, limited.headers["retry-after"]}, {"upstream_rate_limited", "7"})
      local good = say()
      test.equal(good.json.usage, {input_tokens = 3, output_tokens = 2})
      test.equal(#test.asked(), 3)
      test.equal(test.asked()[1].model, "my-model")
      local row = db.one("SELECT reasoning, finish_reason FROM chat_messages ORDER BY id DESC LIMIT 1")
      test.equal(row, {reasoning = "why", finish_reason = "length"})
      test.contains(good.body, "ok")
      test.equal(test.eventually("three", function() return 3 end), 3)`), { args: ONE });
    assert.equal(code, 0, stdout);
  });

  test('paces its model, and ends while that still speaks', async () => {
    const { code, stdout } = await run(one(`
      local task = require "tide.task"
      test.upstream({"o", "n", "e \\n\\n", pace_ms = 5}, {status = 400, body = '{"error": {}}', pace_ms = 5},
        {"never told", pace_ms = 10000})
      local user = test.user("my-model")
      local function say(session) return test.request({path = "/api/chat/message", user = user,
        json = {session_id = session, model_name = "my-model", message = "hi"}}) end
      test.contains(say("a").body, "one ")
      test.equal(say("a").json.code, "upstream_rejected")
      task.spawn(say, "b")
      test.eventually("the third question", function() return #test.asked() == 3 end)`), { args: ONE });
    assert.equal(code, 0, stdout);
  });

  test('says so when the model is asked more than was scripted', async () => {
    const { code, stdout } = await run(one(`
      local user = test.user()
      test.equal(test.request({path = "/api/chat/message", user = user,
        json = {session_id = "s", model_name = user.model, message = "hi"}}).status, 200)`), { args: ONE });
    assert.equal(code, 1);
    assert.match(stdout, /asked \d+ times? more than test\.upstream scripted/);
  });

  test('has answers for each model, and tool calls', async () => {
    const { code, stdout } = await run(one(`
      test.upstream({model = "small", "first of small"}, "common", {model = "small", tool_calls = {
        {name = "get_weather", arguments = {city = "Ys"}}, {id = "x", name = "stop"}}})
      local user = test.user({models = {"small", "big"}})
      test.equal(user.model, "small")
      local function say(model) return test.request({path = "/api/chat/message", user = user,
        json = {session_id = model, model_name = model, message = "hi"}}).json end
      test.equal(say("big").response, "common")
      test.equal(say("small").response, "first of small")
      local answer = test.request({path = "/v1/chat/completions", user = user, json = {model = "small",
        messages = {{role = "user", content = "hi"}},
        tools = {{type = "function", ["function"] = {name = "get_weather", parameters = {type = "object"}}}}}})
      local choice = answer.json.choices[1]
      test.equal(choice.finish_reason, "tool_calls")
      test.equal(choice.message.tool_calls[1]["function"], {name = "get_weather", arguments = '{"city":"Ys"}'})
      test.equal({choice.message.tool_calls[2].id, choice.message.tool_calls[2]["function"].arguments}, {"x", "{}"})
      test.equal(say("small").code ~= nil, true, "small has no answer left, and takes none of the others'")
      test.upstream({modle = "x"})`), { args: ONE });
    assert.equal(code, 1);
    assert.match(stdout, /test\.upstream: there is no field 'modle'/);
    assert.doesNotMatch(stdout, /not equal|expected/);
  });

  test('answers in place of other servers', async () => {
    const { code, stdout } = await run(one(`
      local http = require "tide.http"
      test.http("https://api.example.com/v1/find", {json = {found = 1}}, {status = 503, body = "later", retry_after = 9})
      test.http("https://cdn.example.com/*", "bytes")
      local function get(url, body) return http.request({url = url, method = body and "POST", body = body,
        headers = {["X-Key"] = "k"}}) end
      local first = get("https://api.example.com/v1/find?q=moon", '{"q": 1}')
      test.equal({first.status, first.body, first.headers["content-type"]}, {200, '{"found":1}', "application/json"})
      for _ = 1, 2 do
        local later = get("https://api.example.com/v1/find")
        test.equal({later.status, later.body, later.retry_after}, {503, "later", 9})
      end
      test.equal(get("https://cdn.example.com/any/where").body, "bytes")
      local none, err = get("https://other.example.com/")
      test.equal({none, err.code ~= nil}, {nil, true})
      local asked = test.http_asked()
      test.equal(#asked, 4)
      test.equal({asked[1].method, asked[1].url, asked[1].json, asked[1].headers["x-key"]},
        {"POST", "https://api.example.com/v1/find?q=moon", {q = 1}, "k"})
      test.equal(asked[4].url, "https://cdn.example.com/any/where")`), { args: ONE });
    assert.equal(code, 0, stdout);
  });

  test('makes admins, sets the clock and runs timers', async () => {
    const { code, stdout } = await run({
      ...one(`
      local time = require "tide.time"
      test.time("2031-05-06T07:08:09Z")
      local admin, user = test.user({role = "admin"}), test.user()
      test.equal(admin.role, "admin")
      test.equal(test.request({path = "/api/a", user = admin}).status, 200)
      test.equal(test.request({path = "/api/a", user = user}).status, 403)
      test.contains(user.created_at, "2031-05-06T07:08:")
      test.equal({time.now():sub(1, 16), os.date("!%Y-%m-%d", os.time())}, {"2031-05-06T07:08", "2031-05-06"})
      test.advance(24 * 3600 * 1000)
      test.equal(time.now():sub(1, 13), "2031-05-07T07")
      test.time(0)
      test.equal(os.date("!%Y"), "1970")
      test.equal(require("work").ran, 0)
      test.tick("work")
      test.equal(require("work").ran, 1)
      local fine, why = pcall(test.tick, "broken")
      test.equal(fine, false)
      test.contains(why, "the tick of 'broken' failed")
      test.contains(select(2, pcall(test.tick, "wrok")), "there are: ")`),
      'chat/persona_routes.lua': `return {{method = "GET", path = "/api/a", auth = "admin", summary = "x",
        handler = function() return {json = {}} end}}`,
      'work.lua': `local timer = require "tide.timer"
        local time = require "tide.time"
        local M = { ran = 0 }
        timer.every("work", 3600000, function(tick)
          time.sleep(1)
          M.ran = M.ran + tick.number
        end)
        timer.every("broken", 3600000, function() error("on purpose") end)
        return M`,
    }, { args: ONE });
    assert.equal(code, 0, stdout);
  });

  test('lets the hooks be that it is told', async () => {
    const refuses = 'before_llm = function() return nil, { code = "forbidden" } end';
    const { code, stdout } = await run({
      ...one(`
      test.upstream("one", "two")
      local user = test.user()
      local function say() return test.request({path = "/api/chat/message", user = user,
        json = {session_id = "s", model_name = user.model, message = "hi"}}).json end
      test.equal(say().code, "forbidden")
      test.hooks({})
      test.equal(say().response, "one")
      local seen = 0
      test.hooks({{before_llm = function() seen = seen + 1 end}, "hooks.count"})
      test.equal(say().response, "two")
      test.equal({seen, require("hooks.count").seen}, {1, 1})
      test.hooks({"hooks.refuse"})
      test.equal(say().code, "forbidden")`),
      'hooks/refuse.lua': `return { ${refuses} }`,
      'hooks/count.lua': 'local M = { seen = 0 }\nfunction M.before_llm() M.seen = M.seen + 1 end\nreturn M',
      'hooks.lua': 'return require("lib.hooks").join({ require "hooks.refuse", require "hooks.count" })',
    }, { args: ONE });
    assert.equal(code, 0, stdout);
  });

  test('goes on with the next case when one ends the process or hangs', async () => {
    const { code, stdout } = await run({
      'tests/one_test.lua': `local time = require "tide.time"
        test.case("first", function() test.user() end)
        test.case("loops", function() while true do end end)
        test.case("last", function() test.equal(test.user().username, "user1") end)`,
    }, { args: ONE });
    assert.equal(code, 1);
    assert.match(stdout, /^ok - .*: first \(\d+ ms\)\nnot ok - .*: loops \(\d+ ms\)$/m);
    assert.match(stdout, /one_test\.lua:5: the script r/);
    assert.match(stdout, /^ok - .*: last \(\d+ ms\)\n2 passed, 1 failed$/m);
  });

  test('goes on after a file that does not load, and fails', async () => {
    const { code, stdout } = await run({
      'tests/a_test.lua': 'local = 1', 'tests/a_loop_test.lua': 'while true do end', 'tests/b_test.lua': 'test.case("b", function() end)',
      'tests/chat_test.lua': 'test.case("c", function() test.case("d", function() end) end)',
    });
    assert.equal(code, 1);
    assert.match(stdout, /^not ok - lua\/tests\/a_test\.lua: does not load/m);
    assert.match(stdout, /a_test\.lua:3:/);
    assert.match(stdout, /a_loop_test\.lua:3: the script ran for more than/);
    assert.match(stdout, /^ok - lua\/tests\/b_test\.lua: b/m);
    assert.match(stdout, /test\.case stands at the top/);
  });

  test('broken scripts are told as by check, wrong words as usage', async () => {
    const broken = await run({ 'models/model_routes.lua': 'local = 1' });
    assert.equal(broken.code, 1);
    assert.match(broken.stderr, /models\/model_routes\.lua:3/);
    assert.equal((await run({}, { args: ['nowhere'] })).code, 2);
    const empty = await run({});
    mkdirSync(join(empty.home.folder, 'empty'));
    writeFileSync(join(empty.home.folder, 'empty', 'x.lua'), '');
    const none = await tidetalk(empty.home, ['test', 'empty']);
    assert.equal(none.code, 2);
    assert.match(none.stderr, /no \*_test\.lua in empty/);
  });

  test('is of no use to a running server', async () => {
    const { home } = await run({ 'policy/title.lua': 'test.case("x", function() end) return {}' });
    const { code, stderr } = await tidetalk(home, ['check'], { env: { TIDETALK_LUA_DIR: 'lua' } });
    assert.equal(code, 1);
    assert.match(stderr, /works in `tidetalk test` only/);
  });
});
