local tide = require "tests.lua.support.tide"

describe("doors.openai", function()
  local openai, json

  before_each(function()
    tide.install()
    json = require "tide.json"
    openai = require "doors.openai"
  end)

  it("hands on every field that is not its own", function()
    local parameters = openai.parameters({
      model = "m",
      messages = {},
      stream = true,
      stream_options = {},
      temperature = 0.5,
      stop = { "a" },
      unheard_of = { deep = true },
      n = 1,
      logprobs = false,
      tools = { 1 },
      tool_choice = "auto",
      max_tokens = 9,
      max_completion_tokens = 8,
    })
    assert.same({
      tools = { 1 },
      tool_choice = "auto",
      max_tokens = 9,
      options = {
        temperature = 0.5,
        stop = { "a" },
        unheard_of = { deep = true },
        n = 1,
        logprobs = false,
        max_completion_tokens = 8,
      },
    }, parameters)
  end)

  it("refuses what a reply cannot carry, by name", function()
    for field, value in pairs({
      n = 2,
      logprobs = true,
      modalities = { "text", "audio" },
    }) do
      local fine, err = openai.check({ [field] = value })
      assert.is_nil(fine)
      assert.equal("unsupported_parameter", err.code)
      assert.equal(field, err.args.field)
    end
    assert.is_true(openai.check({ n = json.null, modalities = { "text" } }))
    local raw = json.raw('["audio"]')
    assert.is_nil((openai.check({ modalities = raw })))
    assert.is_true(openai.check({ logprobs = json.raw("false") }))
  end)

  it("finds the text in contents of every form", function()
    local plain = openai.plain({
      { role = "system", content = "a" },
      {
        role = "user",
        content = {
          { type = "text", text = "b" },
          { type = "image_url", image_url = { url = "data:," } },
          { type = "text", text = "c" },
        },
      },
      { role = "assistant", content = json.null },
      { role = "tool", content = 7 },
    })
    assert.same({
      { role = "system", content = "a" },
      { role = "user", content = "b\nc" },
      { role = "assistant", content = "" },
      { role = "tool", content = "" },
    }, plain)
  end)

  it("finds what the user asked last", function()
    assert.equal("b", openai.last_question({
      { role = "user", content = "a" },
      { role = "user", content = { { type = "text", text = "b" } } },
      { role = "assistant", content = "c" },
    }))
    local system = { role = "system", content = "a" }
    assert.equal("", openai.last_question({ system }))
  end)
end)

describe("policy.api_key", function()
  local key_format

  -- Any function of the text does here.
  local function sum(text)
    local n = 7
    for i = 1, #text do
      n = (n * 31 + text:byte(i)) & 0xffffffff
    end
    return ("%08x"):format(n) .. "rest"
  end

  before_each(function()
    tide.install()
    key_format = require "policy.api_key"
  end)

  it("knows what it has made, and nothing else", function()
    local key = key_format.make(("0123456789abcdef"):rep(4), sum)
    assert.equal(80, #key)
    assert.is_true(key_format.looks_like(key))
    assert.is_true(key_format.is_whole(key, sum))
    assert.equal("sk-tide-012345", key_format.prefix(key))
    for _, wrong in ipairs({
      key:sub(1, -2),
      key .. "0",
      key:sub(1, -2) .. (key:sub(-1) == "0" and "1" or "0"),
      key:gsub("e%-0", "e-1"),
      key:upper(),
      "sk-tide-",
      "sk-other-" .. key:sub(9),
    }) do
      assert.is_false(key_format.is_whole(wrong, sum))
    end
    assert.is_false(key_format.looks_like("sk-proj-abc"))
    assert.is_false(key_format.looks_like("eyJhbGciOi"))
  end)
end)
