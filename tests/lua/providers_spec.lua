local tide = require "tests.lua.support.tide"

--- A conversation with everything in it.
local MESSAGES = {
  { role = "system", content = "Be brief." },
  { role = "developer", content = "Be kind." },
  {
    role = "user",
    content = {
      { type = "text", text = "What is this?" },
      {
        type = "image_url",
        image_url = { url = "data:image/png;base64,iVBORw0=" },
      },
    },
  },
  {
    role = "assistant",
    content = "I look it up.",
    tool_calls = {
      {
        id = "call_1",
        type = "function",
        ["function"] = { name = "find", arguments = '{"q":"tide"}' },
      },
      {
        id = "call_2",
        type = "function",
        ["function"] = { name = "now", arguments = "" },
      },
    },
  },
  { role = "tool", tool_call_id = "call_1", content = '{"found":1}' },
  { role = "tool", tool_call_id = "call_2", content = "noon" },
  { role = "user", content = "And now?" },
}

local TOOLS = {
  {
    type = "function",
    ["function"] = {
      name = "find",
      description = "Finds",
      parameters = { type = "object", properties = { q = {} } },
    },
  },
  { type = "function", ["function"] = { name = "now" } },
}

describe("providers", function()
  local json

  before_each(function()
    tide.install()
    json = require "tide.json"
  end)

  --- @return table call, with the body as the wire has it
  local function build(name, fields)
    local request = {
      base_url = "https://api.example.com",
      key = "the secret",
      model = "some-model",
      messages = { { role = "user", content = "Hi" } },
    }
    for key, value in pairs(fields or {}) do
      request[key] = value
    end
    local call = require("providers." .. name).build(request)
    assert.falsy(json.encode(call.body):find("secret", 1, true), name)
    assert.falsy(call.url:find("secret", 1, true), name)
    call.body = json.decode(json.encode(call.body))
    return call
  end

  describe("anthropic", function()
    it("asks at the address with and without a version", function()
      local url = "https://api.example.com/v1/messages"
      for _, base in ipairs({ "", "/v1" }) do
        local call = build("anthropic", {
          base_url = "https://api.example.com" .. base,
        })
        assert.equal(url, call.url)
      end
      local headers = build("anthropic").headers
      assert.equal("the secret", headers["x-api-key"])
      assert.equal("2023-06-01", headers["anthropic-version"])
      assert.is_nil(headers.Authorization)
    end)

    it("takes a request of its own form, as a hook has changed it", function()
      local call = build("anthropic", {
        raw = json.raw('{"stream":false,"system":"old","messages":[],"a":1}'),
        raw_headers = { ["anthropic-beta"] = "b" },
        messages = { { role = "user", content = "new" } },
      })
      assert.equal("b", call.headers["anthropic-beta"])
      assert.same({
        model = "some-model",
        stream = true,
        a = 1,
        messages = {
          { role = "user", content = { { type = "text", text = "new" } } },
        },
      }, call.body)
    end)

    it("leaves out replies of blanks, which the service refuses", function()
      local body = build("anthropic", {
        messages = {
          { role = "user", content = "a" },
          { role = "assistant", content = " \n" },
          { role = "user", content = "b" },
        },
      }).body
      assert.same({
        {
          role = "user",
          content = {
            { type = "text", text = "a" },
            { type = "text", text = "b" },
          },
        },
      }, body.messages)
    end)

    it("always says how long the answer may be", function()
      assert.equal(8192, build("anthropic").body.max_tokens)
      assert.equal(5, build("anthropic", { max_tokens = 5 }).body.max_tokens)
      local options = { max_completion_tokens = 6 }
      assert.equal(6, build("anthropic", { options = options }).body.max_tokens)
    end)

    it("puts a conversation into its form", function()
      local body = build("anthropic", { messages = MESSAGES }).body
      assert.equal("Be brief.\n\nBe kind.", body.system)
      assert.same({
        {
          role = "user",
          content = {
            { type = "text", text = "What is this?" },
            {
              type = "image",
              source = {
                type = "base64",
                media_type = "image/png",
                data = "iVBORw0=",
              },
            },
          },
        },
        {
          role = "assistant",
          content = {
            { type = "text", text = "I look it up." },
            {
              type = "tool_use",
              id = "call_1",
              name = "find",
              input = { q = "tide" },
            },
            { type = "tool_use", id = "call_2", name = "now", input = {} },
          },
        },
        {
          role = "user",
          content = {
            {
              type = "tool_result",
              tool_use_id = "call_1",
              content = { { type = "text", text = '{"found":1}' } },
            },
            {
              type = "tool_result",
              tool_use_id = "call_2",
              content = { { type = "text", text = "noon" } },
            },
            { type = "text", text = "And now?" },
          },
        },
      }, body.messages)
      assert.is_true(body.stream)
    end)

    it("translates tools and options", function()
      local body = build("anthropic", {
        tools = TOOLS,
        tool_choice = { type = "function", ["function"] = { name = "now" } },
        options = {
          temperature = 0.5,
          top_p = json.null,
          stop = "END",
          parallel_tool_calls = false,
          unknown_here = 1,
        },
      }).body
      assert.same({
        {
          name = "find",
          description = "Finds",
          input_schema = { type = "object", properties = { q = {} } },
        },
        { name = "now", input_schema = { type = "object" } },
      }, body.tools)
      assert.same({
        type = "tool",
        name = "now",
        disable_parallel_tool_use = true,
      }, body.tool_choice)
      assert.equal(0.5, body.temperature)
      assert.is_nil(body.top_p)
      assert.same({ "END" }, body.stop_sequences)
      assert.is_nil(body.unknown_here)
      local choices = { auto = "auto", required = "any", none = "none" }
      for theirs, ours in pairs(choices) do
        local chosen = build("anthropic", {
          tools = TOOLS,
          tool_choice = theirs,
        })
        assert.same({ type = ours }, chosen.body.tool_choice)
      end
      -- Without tools there is nothing to choose.
      local nothing = build("anthropic", { tool_choice = "auto" })
      assert.is_nil(nothing.body.tool_choice)
    end)

    it("sends images by their address, and no empty texts", function()
      local body = build("anthropic", {
        messages = {
          {
            role = "user",
            content = {
              { type = "text", text = "" },
              { type = "image_url", image_url = { url = "https://a/b.png" } },
            },
          },
          { role = "assistant", content = json.null },
        },
      }).body
      assert.same({
        {
          role = "user",
          content = {
            {
              type = "image",
              source = { type = "url", url = "https://a/b.png" },
            },
          },
        },
      }, body.messages)
    end)
  end)

  describe("gemini", function()
    it("asks with the model in the path and the key in a header", function()
      local base = "https://api.example.com"
      local url = base
        .. "/v1beta/models/some-model:streamGenerateContent?alt=sse"
      assert.equal(url, build("gemini").url)
      assert.equal(url, build("gemini", { base_url = base .. "/v1beta" }).url)
      assert.equal(url, build("gemini", { model = "models/some-model" }).url)
      local odd = build("gemini", { model = "a/../b?key=1#c 潮" })
      assert.equal(
        base
          .. "/v1beta/models/a%2F..%2Fb%3Fkey%3D1%23c%20%E6%BD%AE"
          .. ":streamGenerateContent?alt=sse",
        odd.url
      )
      assert.equal("the secret", odd.headers["x-goog-api-key"])
    end)

    it("puts a conversation into its form", function()
      local body = build("gemini", {
        model = "gemini-3-pro",
        messages = MESSAGES,
      }).body
      assert.same(
        { parts = { { text = "Be brief.\n\nBe kind." } } },
        body.systemInstruction
      )
      assert.same({
        {
          role = "user",
          parts = {
            { text = "What is this?" },
            { inlineData = { mimeType = "image/png", data = "iVBORw0=" } },
          },
        },
        {
          role = "model",
          parts = {
            { text = "I look it up." },
            {
              functionCall = { name = "find", args = { q = "tide" } },
              thoughtSignature = "skip_thought_signature_validator",
            },
            { functionCall = { name = "now", args = {} } },
          },
        },
        {
          role = "user",
          parts = {
            {
              functionResponse = { name = "find", response = { found = 1 } },
            },
            {
              functionResponse = {
                name = "now",
                response = { result = "noon" },
              },
            },
            { text = "And now?" },
          },
        },
      }, body.contents)
    end)

    it("makes no signature up for models that need none", function()
      local older = build("gemini", { messages = MESSAGES }).body
      assert.is_nil(older.contents[2].parts[2].thoughtSignature)
    end)

    it("gives a call's signature back", function()
      local body = build("gemini", {
        messages = {
          {
            role = "assistant",
            tool_calls = {
              {
                id = "call_1",
                ["function"] = { name = "now", arguments = "{}" },
                extra_content = { google = { thought_signature = "c2ln" } },
              },
            },
          },
        },
      }).body
      assert.equal("c2ln", body.contents[1].parts[1].thoughtSignature)
    end)

    it("translates tools and options", function()
      local body = build("gemini", {
        tools = TOOLS,
        tool_choice = { type = "function", ["function"] = { name = "now" } },
        max_tokens = 9,
        options = {
          temperature = 0,
          top_p = 0.5,
          stop = { "A", "B" },
          reasoning_effort = "low",
          response_format = {
            type = "json_schema",
            json_schema = { schema = { type = "object" } },
          },
        },
      }).body
      assert.same({
        {
          functionDeclarations = {
            {
              name = "find",
              description = "Finds",
              parametersJsonSchema = {
                type = "object",
                properties = { q = {} },
              },
            },
            { name = "now" },
          },
        },
      }, body.tools)
      assert.same({
        functionCallingConfig = {
          mode = "ANY",
          allowedFunctionNames = { "now" },
        },
      }, body.toolConfig)
      assert.same({
        maxOutputTokens = 9,
        temperature = 0,
        topP = 0.5,
        stopSequences = { "A", "B" },
        thinkingConfig = { includeThoughts = true },
        responseMimeType = "application/json",
        responseJsonSchema = { type = "object" },
      }, body.generationConfig)
    end)
  end)

  describe("ollama", function()
    it("asks at its own path", function()
      for _, base in ipairs({ "", "/api" }) do
        local call = build("ollama", {
          base_url = "http://localhost:11434" .. base,
        })
        assert.equal("http://localhost:11434/api/chat", call.url)
        assert.same({ "Bearer ", "the secret" }, call.headers.Authorization)
      end
    end)

    it("puts a conversation into its form", function()
      local body = build("ollama", { messages = MESSAGES }).body
      assert.same({
        { role = "system", content = "Be brief." },
        { role = "system", content = "Be kind." },
        {
          role = "user",
          content = "What is this?",
          images = { "iVBORw0=" },
        },
        {
          role = "assistant",
          content = "I look it up.",
          tool_calls = {
            { ["function"] = { name = "find", arguments = { q = "tide" } } },
            { ["function"] = { name = "now", arguments = {} } },
          },
        },
        { role = "tool", content = '{"found":1}', tool_name = "find" },
        { role = "tool", content = "noon", tool_name = "now" },
        { role = "user", content = "And now?" },
      }, body.messages)
      assert.is_true(body.stream)
    end)

    it("translates options and passes tools on", function()
      local body = build("ollama", {
        tools = TOOLS,
        max_tokens = 9,
        options = {
          temperature = 1,
          stop = "E",
          response_format = { type = "json_object" },
        },
      }).body
      assert.same(
        { num_predict = 9, temperature = 1, stop = { "E" } },
        body.options
      )
      assert.equal("json", body.format)
      assert.same(TOOLS, body.tools)
    end)
  end)

  it("openai limits answers by the name that the model knows", function()
    local body = build("openai", { max_tokens = 5 }).body
    assert.equal(5, body.max_tokens)
    assert.is_nil(body.max_completion_tokens)
    for _, model in ipairs({ "o3", "gpt-5-mini" }) do
      body = build("openai", { max_tokens = 5, model = model }).body
      assert.equal(5, body.max_completion_tokens)
      assert.is_nil(body.max_tokens)
    end
    local options = { max_completion_tokens = 7 }
    body = build("openai", { model = "gpt-5", options = options }).body
    assert.equal(7, body.max_completion_tokens)
  end)

  it("openai sends our images as data URLs, and all else as it came", function()
    local messages = {
      MESSAGES[3],
      MESSAGES[4],
      {
        role = "user",
        content = {
          { type = "input_audio", input_audio = { data = "x" } },
          {
            type = "image",
            image = {
              media_type = "image/gif",
              base64 = "R0lG",
              data_url = "data:image/gif;base64,R0lG",
            },
          },
        },
      },
    }
    local body = build("openai", { messages = messages }).body
    assert.same(messages[1], body.messages[1])
    assert.same(messages[2], body.messages[2])
    assert.same({
      { type = "input_audio", input_audio = { data = "x" } },
      {
        type = "image_url",
        image_url = { url = "data:image/gif;base64,R0lG" },
      },
    }, body.messages[3].content)
  end)
end)
