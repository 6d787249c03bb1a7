local tide = require "tests.lua.support.tide"

describe("providers.demo, with tools,", function()
  local demo, json, values
  local NOBODY = { name = "", content = "" }

  before_each(function()
    tide.install()
    demo = require "providers.demo"
    json = require "tide.json"
    values = require "providers.demo_values"
  end)

  local function tool(name, parameters)
    return {
      type = "function",
      ["function"] = { name = name, parameters = parameters },
    }
  end

  --- The calls of an answer as "name arguments" lines, its text without any.
  local function answer(messages, request)
    if type(messages) == "string" then
      messages = { { role = "user", content = messages } }
    end
    local play = demo.play(messages, NOBODY, "en", request)
    if not play.tool_calls then
      return play.text
    end
    assert.equal("", play.text)
    assert.equal("\n", play.tool_calls:sub(-1))
    local lines = {}
    for i, call in ipairs(json.decode(play.tool_calls)) do
      assert.equal(i - 1, call.index)
      local called = call["function"]
      lines[i] = call.id .. " " .. called.name .. " " .. called.arguments
    end
    return lines
  end

  local CITY = {
    type = "object",
    properties = { city = { type = "string" } },
    required = { "city" },
  }

  it("calls the one that the question names, or all of these", function()
    local tools = { tool("get_weather", CITY), tool("get_time"), tool("tides") }
    assert.same(
      { 'call_demo_1_1 get_weather {"city":"city"}' },
      answer("How is the weather?", { tools = tools })
    )
    assert.same(
      { "call_demo_1_1 get_time {}", "call_demo_1_2 tides {}" },
      answer("call get_time and TIDES", { tools = tools })
    )
    assert.same(
      { "call_demo_1_1 get_time {}" },
      answer("call get_time and tides", {
        tools = tools,
        options = { parallel_tool_calls = false },
      })
    )
  end)

  it("calls none when nothing is asked of them", function()
    local tools = { tool("get_weather", CITY) }
    assert.truthy(answer("get well", { tools = tools }):find("You wrote"))
    assert.truthy(answer("weather", {}):find("You wrote"))
    assert.truthy(
      answer("weather", { tools = tools, tool_choice = "none" }):find("You")
    )
    assert.truthy(answer("hi", { tools = json.null }):find("Hello"))
  end)

  it("calls the one that it must", function()
    local tools = { tool("get_weather", CITY), tool("other") }
    local function named(name)
      return { type = "function", ["function"] = { name = name } }
    end
    assert.same(
      { "call_demo_1_1 other {}" },
      answer("weather", { tools = tools, tool_choice = named("other") })
    )
    assert.same(
      { 'call_demo_1_1 get_weather {"city":"city"}' },
      answer("hi", { tools = tools, tool_choice = "required" })
    )
    assert.truthy(answer("hi", { tool_choice = "required" }):find("Hello"))
  end)

  it("tells what tools answered instead of calling again", function()
    local messages = {
      { role = "user", content = "weather" },
      { role = "assistant", content = "" },
      { role = "tool", content = "17 {result} %1" },
      { role = "tool", content = ("长"):rep(300) },
    }
    local told = answer(messages, {
      tools = { tool("get_weather", CITY) },
      tool_choice = "required",
    })
    assert.equal(
      "The tool answered: “17 {result} %1”\nThe tool answered: “"
        .. ("长"):rep(200)
        .. "…”",
      told
    )
    -- A new question calls anew, by an id of its own.
    messages[#messages + 1] = { role = "user", content = "weather" }
    assert.same(
      { "call_demo_5_1 get_weather {}" },
      answer(messages, { tools = { tool("get_weather") } })
    )
  end)

  it("answers in the form that is wanted", function()
    local told = answer("hi", {
      options = { response_format = { type = "json_object" } },
    })
    assert.truthy(json.decode(told).answer:find("Hello"))
    told = answer("hi", {
      options = {
        response_format = {
          type = "json_schema",
          json_schema = { name = "city", schema = CITY },
        },
      },
    })
    assert.same({ city = "city" }, json.decode(told))
  end)

  it("makes values of schemas", function()
    local function value(schema)
      return json.encode(values.value((json.decode(schema))))
    end
    for schema, expected in pairs({
      ['{"type":"string","format":"date"}'] = '"2026-01-01"',
      ['{"type":"string","minLength":6}'] = '"textxx"',
      ['{"type":"string","maxLength":2}'] = '"te"',
      ['{"enum":["b","a"]}'] = '"b"',
      ['{"const":7}'] = "7",
      ['{"default":false}'] = "false",
      ['{"type":["null","integer"],"minimum":3}'] = "4",
      ['{"type":"integer","maximum":0}'] = "-1",
      ['{"type":"number","minimum":0,"maximum":1}'] = "0.5",
      ['{"type":"boolean"}'] = "true",
      ['{"type":"array","items":{"type":"integer"},"minItems":2}'] = "[1,1]",
      ['{"anyOf":[{"type":"null"},{"type":"boolean"}]}'] = "true",
      ['{"properties":{"b":{"type":"null"},"a":{}}}'] = '{"a":"a","b":null}',
      ['{"$ref":"#/$defs/x","$defs":{"x":{"type":"integer"}}}'] = "1",
      ["true"] = '"text"',
    }) do
      assert.equal(expected, value(schema), schema)
    end
    -- One that contains itself ends.
    assert.is_string(value('{"$ref":"#"}'))
    assert.is_string(value('{"type":"object","properties":{"a":{"$ref":"#"}}}'))
    assert.equal("{}", json.encode(values.object(json.null)))
  end)
end)
