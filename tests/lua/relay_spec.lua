local tide = require "tests.lua.support.tide"

describe("web.relay", function()
  local owners, current, answers, asked, now, pipeline, hooks_run

  local A = { id = 1, name = "a", address = "a:1" }
  local C = { id = 3, name = "c", address = "c:1" }

  before_each(function()
    owners, current, answers, asked, now, hooks_run = {}, {}, {}, {}, 0, 0
    tide.install({
      nodes = {
        is_shared = function()
          return true
        end,
        owner_of_session = function(user_id, session_id)
          assert.equal(7, user_id)
          assert.equal("tides", session_id)
          local owner = table.remove(owners, 1)
          return owner or nil
        end,
        with_current_scripts = function()
          local node = table.remove(current, 1)
          return node or nil
        end,
      },
      time = {
        mono_ms = function()
          return now
        end,
        sleep = function(ms)
          now = now + ms
        end,
      },
    }, { ["nodes.lease"] = 5000 })
    package.loaded["web.auth"] = {
      authenticate = function()
        return { id = 7, role = "user" }
      end,
    }
    package.loaded.hooks = {
      on_request = function()
        hooks_run = hooks_run + 1
      end,
    }
    pipeline = require "web.pipeline"
  end)

  local function route(more)
    local it = {
      method = "POST",
      path = "/x",
      auth = "user",
      owner = {
        session_id = function()
          return "tides"
        end,
        rest = function(id, last)
          return "/rest/" .. id .. "/" .. last
        end,
        go_on = function(req, _, id, last)
          return { stream = id, after = last, user = req.user.id }
        end,
      },
      handler = function(req)
        return { json = { here = true, user = req.user.id } }
      end,
    }
    for key, value in pairs(more or {}) do
      it[key] = value
    end
    return it
  end

  local function request(spec)
    local req = tide.request(spec or {})
    req.relay = function(_, node, target)
      asked[#asked + 1] = node.name .. (target and " " .. target or "")
      local answer = table.remove(answers, 1)
      if answer.relay then
        return answer
      end
      return nil, { code = answer[1] }, answer[2]
    end
    return req
  end

  local function run(more, spec)
    local response, err = pipeline.run(route(more), request(spec))
    return response, err and err.code
  end

  it("answers here what nobody owns", function()
    local response = run()
    assert.same({ here = true, user = 7 }, response.json)
    assert.same({}, asked)
    assert.equal(1, hooks_run)
  end)

  it("passes on what another node owns, and runs no hook then", function()
    owners, answers = { A }, { { relay = 1 } }
    assert.same({ relay = 1 }, (run()))
    assert.same({ "a" }, asked)
    assert.equal(0, hooks_run)
  end)

  it("never passes on what was passed on", function()
    owners = { A }
    local req = request()
    req.caller = { id = 9, role = "user" }
    local response = pipeline.run(route(), req)
    assert.same({ here = true, user = 9 }, response.json)
    assert.same({}, asked)
  end)

  it("asks nobody about a HEAD or a route without an owner", function()
    owners = { A, A }
    assert.truthy(run(nil, { method = "HEAD" }).json)
    assert.truthy(run({ owner = false }).json)
    assert.same({}, asked)
  end)

  it("waits until the lease of an owner is over, and goes on here", function()
    owners = { A, A, A }
    answers = {
      { "node_unreachable" }, { "node_unreachable" }, { "not_owner" },
    }
    assert.truthy(run().json.here)
    assert.equal(3, #asked)
    assert.truthy(now > 0)
  end)

  it("gives up when the owner lives and cannot be reached", function()
    for i = 1, 1000 do
      owners[i], answers[i] = A, { "node_unreachable" }
    end
    local response, code = run()
    assert.is_nil(response)
    assert.equal("node_unreachable", code)
    assert.truthy(now > 5000 and now < 20000)
  end)

  it("gives a key to what may have begun elsewhere", function()
    local key
    local function handler(req)
      key = req.node_key
      return { json = {} }
    end
    owners, answers = { A }, { { "node_unreachable" } }
    run({ handler = handler })
    assert.is_nil(key)
    owners, answers = { A }, { { "node_gone" } }
    run({ handler = handler })
    assert.equal("node-0123456789abcdef", key)
    local req = request()
    req.caller = { id = 7, role = "user" }
    key = nil
    pipeline.run(route({ handler = handler }), req)
    assert.equal("node-0123456789abcdef", key)
  end)

  it("goes on behind the last event, here or at the next owner", function()
    owners, answers = { A }, { { "node_gone", "4.17" } }
    local response = run({ idempotent = true })
    assert.same({ stream = "tides", after = "4.17", user = 7 }, response)

    owners = { A, A, C }
    answers = {
      { "node_gone", "4.17" }, { "node_unreachable" }, { relay = 3 },
    }
    asked = {}
    assert.same({ relay = 3 }, (run()))
    assert.same({ "a", "a /rest/tides/4.17", "c /rest/tides/4.17" }, asked)
  end)

  it("asks again when another node was quicker with a turn", function()
    owners, answers = { false, A }, { { relay = 1 } }
    local response = run({
      handler = function()
        return nil, { code = "turn_taken" }
      end,
    })
    assert.same({ relay = 1 }, response)
    owners = {}
    local _, code = run({
      handler = function()
        return nil, { code = "turn_taken" }
      end,
    })
    assert.equal("turn_taken", code)
  end)

  it("passes on a turn whose scripts do not serve any more", function()
    local function handler()
      return nil, { code = "scripts_outdated" }
    end
    current, answers = { false, C, A }, { { "not_owner" }, { relay = 1 } }
    assert.same({ relay = 1 }, (run({ handler = handler })))
    assert.same({ "c", "a" }, asked)

    -- It may have begun there: nothing that is not stored once is done again.
    current, answers = { A }, { { "node_gone" } }
    local _, code = run({ handler = handler, owner = false })
    assert.equal("node_gone", code)

    -- A stream goes on from what is stored, and is not begun anew.
    owners, current, answers = {}, { A }, { { "node_gone", "4.17" } }
    local response = run({ handler = handler })
    assert.same({ stream = "tides", after = "4.17", user = 7 }, response)

    -- Nobody has changed its scripts yet.
    current = {}
    _, code = run({ handler = handler })
    assert.equal("scripts_outdated", code)
    assert.truthy(now > 5000 and now < 20000)

    local req = request()
    req.caller = { id = 9, role = "user" }
    local _, err = pipeline.run(route({ handler = handler }), req)
    assert.equal("not_owner", err.code)
  end)

  it("tells the node that has passed on of a quicker one", function()
    local req = request()
    req.caller = { id = 9, role = "user" }
    local response, err = pipeline.run(
      route({
        handler = function()
          return nil, { code = "turn_taken" }
        end,
      }),
      req
    )
    assert.is_nil(response)
    assert.equal("not_owner", err.code)
  end)

  it("ends with the client", function()
    owners, answers = { A, A }, { { "client_gone" } }
    local response, code = run()
    assert.is_nil(response)
    assert.equal("client_gone", code)
    assert.equal(1, #asked)
  end)
end)
