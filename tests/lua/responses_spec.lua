local tide = require "tests.lua.support.tide"

describe("doors.response_input", function()
  local input, json

  before_each(function()
    tide.install()
    json = require "tide.json"
    input = require "doors.response_input"
  end)

  local function raw(value)
    return json.raw(json.encode(value))
  end

  local function read(items)
    local about = input.conversation()
    local ok, err = input.add(about, input.items(raw(json.array(items))))
    return ok and about.messages, err, about.reasoning
  end

  it("takes a text for a user's message", function()
    local about = input.conversation()
    assert.is_true(input.add(about, input.items(json.raw('"hi"'))))
    assert.same({ { role = "user", content = "hi" } }, about.messages)
  end)

  it("puts what a reply did into one message", function()
    local function call(id)
      return { type = "function_call", call_id = id, name = "f" }
    end
    local messages = read({
      call("a"),
      { role = "assistant", content = "done" },
      call("b"),
      { type = "function_call_output", call_id = "a", output = "1" },
      call("c"),
    })
    local counts = {}
    for i, message in ipairs(messages) do
      counts[i] = message.role .. #(message.tool_calls or {})
    end
    assert.same({ "assistant2", "tool0", "assistant1" }, counts)
    assert.equal("done", messages[1].content)
    assert.equal(json.null, messages[3].content)
  end)

  it("keeps the reasoning of a reply beside its calls", function()
    local function thought(member, text)
      return {
        type = "reasoning",
        [member] = { { type = "any_text", text = text } },
      }
    end
    local function call(id)
      return { type = "function_call", call_id = id, name = "f" }
    end
    local function output(id)
      return { type = "function_call_output", call_id = id, output = "1" }
    end
    local messages, _, reasoning = read({
      thought("summary", "of no call"),
      { role = "assistant", content = "hello" },
      { role = "user", content = "go on" },
      thought("summary", "I "),
      thought("content", "look"),
      { role = "assistant", content = "wait" },
      call("a"),
      call("b"),
      output("a"),
      output("b"),
      call("c"),
      output("c"),
      { type = "reasoning", encrypted_content = "x" },
      call("d"),
    })
    assert.same({ a = "I look" }, reasoning)
    for _, message in ipairs(messages) do
      assert.is_nil(message.reasoning_content)
    end
  end)

  it("keeps parts of a user, and joins those of others", function()
    local function part(kind, text)
      return { type = kind, text = text }
    end
    local parts = { part("input_text", "a"), part("input_text", "b") }
    local messages = read({
      { role = "user", content = parts },
      { role = "user", content = { parts[1] } },
      {
        role = "assistant",
        content = {
          part("output_text", "c"),
          { type = "refusal", refusal = "d" },
        },
      },
    })
    assert.same({
      { type = "text", text = "a" },
      { type = "text", text = "b" },
    }, messages[1].content)
    assert.equal("a", messages[2].content)
    assert.equal("cd", messages[3].content)
  end)

  it("names the place of what it does not know", function()
    local _, err = read({ { role = "user", content = "a" }, { type = "x" } })
    assert.equal("unsupported_type", err.code)
    assert.equal("input[1]", err.args.field)
    assert.equal("x", err.args.type)
    for place, item in pairs({
      ["input[0].role"] = { type = "message", content = "a" },
      ["input[0].call_id"] = { type = "function_call", name = "f" },
      ["input[0].name"] = { type = "function_call", call_id = "f" },
      ["input[0].output"] = { type = "function_call_output", call_id = "f" },
      ["input[0].content"] = { role = "user" },
    }) do
      local _, missing = read({ item })
      assert.equal("missing_field", missing.code)
      assert.equal(place, missing.args.field)
    end
    local items = input.items(json.raw("[1, null, []]"))
    for _, item in ipairs(items) do
      assert.is_nil((input.add(input.conversation(), { item })))
    end
  end)

  it("knows references", function()
    local items = input.items(
      json.raw('[{"id":"a"},{"type":"item_reference"},{"role":"user"},7]')
    )
    local ids = {}
    for i, item in ipairs(items) do
      ids[i] = input.reference(item) or false
    end
    assert.same({ "a", "", false, false }, ids)
  end)
end)

describe("doors.responses", function()
  local responses, json

  before_each(function()
    tide.install()
    json = require "tide.json"
    responses = require "doors.responses"
  end)

  local function raw(value)
    return json.raw(json.encode(value))
  end

  it("refuses by name, and takes what asks for nothing", function()
    assert.is_true(responses.check({
      include = json.raw('["reasoning.encrypted_content"]'),
      top_logprobs = json.raw("0"),
      context_management = json.raw("[]"),
      conversation = json.null,
    }))
    for name, value in pairs({
      include = '["message.output_text.logprobs"]',
      top_logprobs = "1",
      context_management = '[{"type":"compaction"}]',
      conversation = '"c"',
      prompt = '{"id":"p"}',
    }) do
      local _, err = responses.check({ [name] = json.raw(value) })
      assert.equal(name, err.args.field)
    end
  end)

  local function about(messages)
    return { messages = messages, reasoning = {}, tools = {} }
  end

  it("asks without tools for no choice among them", function()
    local asked = responses.chat({
      model = "m",
      tool_choice = json.raw('"auto"'),
      parallel_tool_calls = true,
    }, about({ { role = "user", content = "a" } }))
    assert.same({
      model = "m",
      messages = { { role = "user", content = "a" } },
    }, json.decode(asked.request))
    assert.is_nil(asked.tools)
  end)

  it("keeps numbers and schemas as they were written", function()
    local schema = '{"b":1.0,"a":12345678901234567890}'
    local tool = ('{"type":"function","name":"f","parameters":%s}')
      :format(schema)
    local asked = responses.chat({
      model = "m",
      temperature = json.raw("0.50"),
      tools = json.raw("[" .. tool .. "]"),
    }, about({}))
    local text = tostring(asked.request)
    assert.is_true(text:find('"temperature":0.50', 1, true) ~= nil)
    assert.is_true(text:find(schema, 1, true) ~= nil)
  end)

  it("heads the object with all that never changes", function()
    local body = { model = "m", text = raw({ verbosity = "low" }) }
    local _, tools = responses.chat(body, about({}))
    local head =
      json.decode(responses.head({ id = "resp_1", created = 5 }, body, tools))
    assert.equal("resp_1", head.id)
    assert.equal(5, head.created_at)
    assert.is_true(head.store)
    assert.same({ format = { type = "text" }, verbosity = "low" }, head.text)
    assert.equal("auto", head.tool_choice)
    assert.equal(json.null, head.instructions)
    assert.is_nil(head.status)
  end)
end)
