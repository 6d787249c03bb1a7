local tide = require "tests.lua.support.tide"

describe("chat.tool_steps", function()
  local steps

  before_each(function()
    tide.install()
    steps = require "chat.tool_steps"
  end)

  local function call(id)
    return steps.line("tool_call", { id = id, name = "f", arguments = {} })
  end

  local function result(id)
    return steps.line("tool_result", { id = id, name = "f", content = "1" })
  end

  --- A row of runs, each a kind and its text.
  local function row(...)
    local texts, runs = { r = "", c = "", s = "" }, {}
    for i, run in ipairs({ ... }) do
      local kind, text = run[1], run[2]
      texts[kind] = texts[kind] .. text
      runs[i] = kind .. #text
    end
    return {
      reasoning = texts.r,
      content = texts.c,
      steps = texts.s,
      runs = table.concat(runs),
    }
  end

  --- "reasoning|text|ids of calls" of each block.
  local function shown(reply)
    local list = {}
    for i, block in ipairs(steps.blocks(reply)) do
      local ids = {}
      for n, one in ipairs(block.calls) do
        ids[n] = one.id
      end
      list[i] = ("%s|%s|%s"):format(
        block.reasoning,
        block.text,
        table.concat(ids, ",")
      )
    end
    return list
  end

  it("gives each part its reasoning", function()
    local reply = row(
      { "r", "first" },
      { "c", "I look." },
      { "s", call("a") .. call("b") .. result("a") .. result("b") },
      { "r", "second" },
      { "s", call("c") .. result("c") },
      { "s", call("d") .. result("d") },
      { "r", "third" },
      { "c", "Done." }
    )
    assert.same({
      "first|I look.|a,b",
      "second||c",
      "||d",
      "third|Done.|",
    }, shown(reply))
    local messages, reasoning = {}, {}
    steps.add_reply(messages, reasoning, reply)
    assert.same({ a = "first", c = "second" }, reasoning)
    for _, message in ipairs(messages) do
      assert.is_nil(message.reasoning_content)
    end
  end)

  it("reads a row without runs in the usual order", function()
    local reply = row({ "r", "hm" }, { "c", "text" }, { "s", call("a") })
    reply.runs = ""
    assert.same({ "hm|text|a" }, shown(reply))
  end)

  it("goes on from the calls when it was cut off in thought", function()
    local reply = row({ "s", call("a") .. result("a") }, { "r", "so" })
    assert.same({ "||a" }, shown(reply))
    assert.is_true(steps.ends_in_calls(reply))
  end)
end)
