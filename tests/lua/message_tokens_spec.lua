local tide = require "tests.lua.support.tide"

-- A conversation counted where it stands has the tokens of its tables.
describe("text.message_tokens", function()
  local json, text, usage

  before_each(function()
    tide.install()
    json = require "tide.json"
    text = require "tide.text"
    usage = require "policy.usage"
  end)

  local CASES = {
    "[]",
    '[{"role":"user","content":"hello, how are you?"}]',
    ' [ { "role" : "user" , "content" : "潮汐 \\u6f6e \\"x\\"\\n" } ] ',
    '[{"content":null,"role":"assistant"},{"role":"user"}]',
    '[{"role":"user","content":"a","content":"a longer one that counts"}]',
    '[{"role":"user","cont\\u0065nt":"named by an escape"}]',
    '[{"role":"user","content":[]},{"role":"user","content":[{"type":"text",'
      .. '"text":"one"},{"type":"image_url","image_url":{"url":"x"}},'
      .. '{"text":"two and three","type":"text"}]}]',
    '[{"role":"tool","tool_call_id":"c","content":"{\\"a\\":[1,2,3]}",'
      .. '"more":{"content":"not this"}}]',
  }

  it("agrees with what the tables have", function()
    for _, case in ipairs(CASES) do
      assert.equal(
        usage.estimate_input(json.decode(case)),
        usage.estimate_counted(text.message_tokens(json.raw(case))),
        case
      )
    end
  end)

  it("counts calls as they came", function()
    local calls = '[{"id":"c","type":"function","function":{"name":"f",'
      .. '"arguments":"{}"}}]'
    local message = '[{"role":"assistant","content":"x","tool_calls":'
    local tokens, messages, others =
      text.message_tokens(json.raw(message .. calls .. "}]"))
    assert.equal(text.tokens("x") + text.tokens(calls), tokens)
    assert.equal(1, messages)
    assert.equal(0, others)
  end)
end)
