local tide = require "tests.lua.support.tide"

describe("models.reasoning_back", function()
  local back, json

  before_each(function()
    tide.install()
    json = require "tide.json"
    back = require "models.reasoning_back"
  end)

  local function calling(id)
    return { role = "assistant", content = "", tool_calls = { { id = id } } }
  end

  it("is wanted by DeepSeek and Kimi only", function()
    local registry = require "providers.registry"
    local wanted = {}
    for _, name in ipairs(registry.names()) do
      if back.is_wanted(registry.get(name), { a = "hm" }) then
        wanted[#wanted + 1] = name
      end
    end
    assert.same({ "deepseek", "moonshot" }, wanted)
    assert.is_false(back.is_wanted(registry.get("deepseek"), {}))
    assert.is_false(back.is_wanted(registry.get("deepseek"), nil))
  end)

  it("adds it to the messages that have the calls", function()
    local messages = {
      { role = "user", content = "hi", tool_calls = json.null },
      calling("a"),
      calling("b"),
      calling(nil),
    }
    local list = back.add(messages, { a = "hm" })
    assert.equal("hm", list[2].reasoning_content)
    assert.is_nil(messages[2].reasoning_content)
    for _, i in ipairs({ 1, 3, 4 }) do
      assert.equal(messages[i], list[i])
    end
  end)

  it("leaves what a client wrote itself", function()
    local message = calling("a")
    message.reasoning_content = "mine"
    local list = back.add({ message }, { a = "hm" })
    assert.equal("mine", list[1].reasoning_content)
  end)

  it("is read from the turns of Anthropic's clients", function()
    local request = require "doors.messages_request"
    local whole = json.raw(json.encode({
      model = "m",
      messages = {
        {
          role = "assistant",
          content = {
            { type = "thinking", thinking = "I ", signature = "s" },
            { type = "redacted_thinking", data = "x" },
            { type = "thinking", thinking = "look", signature = "" },
            { type = "tool_use", id = "a", name = "f", input = {} },
            { type = "tool_use", id = "b", name = "f", input = {} },
          },
        },
        {
          role = "assistant",
          content = {
            { type = "thinking", thinking = "of no call", signature = "" },
            { type = "text", text = "hello" },
          },
        },
        {
          role = "assistant",
          content = {
            { type = "thinking", thinking = "", signature = "" },
            { type = "tool_use", id = "c", name = "f", input = {} },
          },
        },
      },
    }))
    local chat = assert(request.chat(whole, {}))
    assert.same({ a = "I look" }, chat.reasoning)
    assert.falsy(tostring(chat.request):find("look", 1, true))
  end)
end)
