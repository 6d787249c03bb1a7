local tide = require "tests.lua.support.tide"

describe("chat.resume", function()
  local rows, found, restored, slept, resume

  before_each(function()
    rows, found, restored, slept = {}, {}, nil, 0
    tide.install({
      db = {
        one = function(sql)
          if sql:find("FROM chat_sessions WHERE user_id", 1, true) then
            return { id = 3 }
          end
          return table.remove(rows, 1)
        end,
      },
      llm = {
        find = function()
          return found.session
        end,
        find_message = function()
          return table.remove(found, 1) or nil
        end,
        restore = function(stored)
          restored = stored
          return "restored"
        end,
      },
      time = {
        sleep = function()
          slept = slept + 1
        end,
        parse = function()
          return 1700000000000000
        end,
      },
    })
    resume = require "chat.resume"
  end)

  local function row(status, more)
    local made = {
      id = 7,
      parent_id = 6,
      role = "assistant",
      status = status,
      content = "text",
    }
    for key, value in pairs(more or {}) do
      made[key] = value
    end
    return made
  end

  it("takes a reply that runs from the core", function()
    rows, found = { row("streaming") }, { "running" }
    assert.equal("running", resume.get_reply(1, "s", 7))
    assert.equal(0, slept)
  end)

  it("makes a stored one again, with all that its end was", function()
    rows = {
      row("error", {
        runs = "c2r1",
        error_code = "upstream_reset",
        usage = '{"input_tokens":2,"output_tokens":5,"estimated":true}',
      }),
    }
    assert.equal("restored", resume.get_reply(1, "s", 7))
    assert.same({
      message_id = 7,
      user_message_id = 6,
      user_id = 1,
      content = "text",
      runs = "c2r1",
      status = "error",
      error_code = "upstream_reset",
      input_tokens = 2,
      output_tokens = 5,
      attempts = 1,
      estimated = true,
      ended_us = 1700000000000000,
    }, restored)
  end)

  it("looks again when a reply ends or begins just now", function()
    rows = { row("streaming"), row("complete") }
    assert.equal("restored", resume.get_reply(1, "s", 7))
    assert.equal(1, slept)
    rows = { row("streaming"), row("streaming") }
    found = { false, "running" }
    assert.equal("running", resume.get_reply(1, "s", 7))
  end)

  it("gives up on a row whose end could not be stored", function()
    for i = 1, 100 do
      rows[i] = row("streaming")
    end
    local reply, err = resume.get_reply(1, "s", 7)
    assert.is_nil(reply)
    assert.equal("busy", err.code)
  end)

  it("knows replies only", function()
    rows = { row("complete", { role = "user" }) }
    assert.equal(
      "message_not_found",
      select(2, resume.get_reply(1, "s", 7)).code
    )
    assert.equal(
      "message_not_found",
      select(2, resume.get_reply(1, "s", 7)).code
    )
  end)

  it("recovers what nobody has got", function()
    local function recovered(status, more)
      rows = { row(status, more) }
      local text, err = resume.get_undelivered(1, "s")
      return text or err.code
    end
    local none = "nothing_to_recover"
    assert.equal("text", recovered("interrupted", { delivered = 0 }))
    assert.equal(none, recovered("complete", { delivered = 1 }))
    assert.equal(none, recovered("stopped", { delivered = 0, content = "" }))
    assert.equal(none, recovered("complete", { delivered = 0, role = "user" }))
    found.session = {
      text = function()
        return "so far"
      end,
    }
    assert.equal("so far", recovered("streaming", { delivered = 1 }))
  end)
end)

describe("policy.disconnect", function()
  it("lets replies go on", function()
    tide.install()
    local policy = require "policy.disconnect"
    assert.equal("detach", policy.choose({
      user_id = 1,
      session_id = "s",
      model_name = "m",
      provider = "openai",
      stream = true,
    }))
  end)
end)
