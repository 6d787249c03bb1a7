local tide = require "tests.lua.support.tide"

describe("models.own_body", function()
  local own_body, json, registry

  before_each(function()
    tide.install()
    own_body = require "models.own_body"
    json = require "tide.json"
    registry = require "providers.registry"
  end)

  --- The body that a provider is sent, as the wire has it.
  local function body(provider, options, fields)
    local request = {
      base_url = "https://a.example/v1",
      key = "k",
      model = "some-model",
      messages = { { role = "user", content = "Hi" } },
    }
    for name, value in pairs(fields or {}) do
      request[name] = value or nil
    end
    local model = { provider = registry.get(provider) }
    local call = own_body.build(model, request, options)
    return json.decode(json.encode(call.body))
  end

  --- What a wish for thought adds to a body.
  local function thought(provider, wanted, fields)
    local plain = body(provider, nil, fields)
    local added = {}
    for name, value in pairs(body(provider, { thinking = wanted }, fields)) do
      if json.encode(value) ~= json.encode(plain[name]) then
        added[name] = value
      end
    end
    return added
  end

  it("says how much to think in each service's form", function()
    local low, budget = { effort = "low" }, { budget = 5000 }
    local off = { effort = "none" }
    for _, row in ipairs({
      { "openai", low, { reasoning_effort = "low" } },
      { "openai", budget, { reasoning_effort = "medium" } },
      { "groq", off, { reasoning_effort = "none" } },
      { "qwen", low, { enable_thinking = true } },
      {
        "qwen",
        budget,
        { enable_thinking = true, thinking_budget = 5000 },
      },
      { "qwen", off, { enable_thinking = false } },
      { "zhipu", low, { thinking = { type = "enabled" } } },
      { "deepseek", { budget = 0 }, { thinking = { type = "disabled" } } },
      { "openrouter", low, { reasoning = { effort = "low" } } },
      { "openrouter", budget, { reasoning = { max_tokens = 5000 } } },
      {
        "vllm",
        low,
        {
          chat_template_kwargs = {
            enable_thinking = true,
            reasoning_effort = "low",
          },
        },
      },
      { "ollama", low, { think = true } },
      { "ollama", off, { think = false } },
      {
        "anthropic",
        low,
        {
          thinking = { type = "adaptive" },
          output_config = { effort = "low" },
        },
      },
      { "anthropic", off, { thinking = { type = "disabled" } } },
    }) do
      local name = row[1] .. " " .. json.encode(row[2])
      assert.same(row[3], thought(row[1], row[2]), name)
    end
    assert.same(
      { think = "low" },
      thought("ollama", low, { model = "gpt-oss:20b" })
    )
  end)

  it("raises Anthropic's max_tokens above the budget", function()
    local options = {
      thinking = { budget = 20000 },
      temperature = 0.5,
      max_tokens = 100,
    }
    local sent = body("anthropic", options)
    assert.same(
      { type = "enabled", budget_tokens = 20000 },
      sent.thinking
    )
    assert.truthy(sent.max_tokens > 20000)
    assert.is_nil(sent.temperature)
  end)

  it("leaves a request in Anthropic's form what its client names", function()
    local options = { thinking = { budget = 2000 }, temperature = 0.5 }
    local function sent(text)
      local fields = { raw = json.raw(text), messages = false }
      return body("anthropic", options, fields)
    end
    local open = sent('{"max_tokens":5000}')
    assert.same({ type = "enabled", budget_tokens = 2000 }, open.thinking)
    assert.is_nil(open.temperature)
    assert.equal(5000, open.max_tokens)
    assert.is_nil(sent('{"max_tokens":2000}').thinking)
    local named = sent('{"max_tokens":5000,"temperature":1}')
    assert.is_nil(named.thinking)
    assert.equal(1, named.temperature)
    options.thinking = nil
    assert.equal(0.5, sent('{"max_tokens":5000}').temperature)
  end)

  it("gives Gemini a budget or a level, as its models take it", function()
    local function config(model, wanted)
      local sent = body("gemini", { thinking = wanted }, { model = model })
      return sent.generationConfig.thinkingConfig
    end
    assert.same(
      { includeThoughts = true, thinkingBudget = 8192 },
      config("gemini-2.5-pro", { effort = "medium" })
    )
    assert.same(
      { includeThoughts = false, thinkingBudget = 0 },
      config("gemini-2.5-flash", { effort = "none" })
    )
    assert.same(
      { includeThoughts = true, thinkingLevel = "low" },
      config("gemini-3-pro", { effort = "low" })
    )
  end)

  it("merges members into the body, but for what a client names", function()
    local options = {
      extra_body = {
        generationConfig = { topK = 4 },
        safetySettings = json.array({}),
      },
      temperature = 0.5,
    }
    local sent = body("gemini", options)
    assert.same({ topK = 4, temperature = 0.5 }, sent.generationConfig)
    assert.same({}, sent.safetySettings)
    options = { extra_body = { top_p = 0.1, seed = 1 }, temperature = 0.5 }
    local client = { top_p = 0.9, temperature = 1 }
    sent = body("openai", options, { options = client })
    assert.same({ 0.9, 1, 1 }, { sent.top_p, sent.seed, sent.temperature })
  end)

  it("adds to a request that is passed on what it leaves open", function()
    local options = {
      extra_body = { seed = 1, ["a.b"] = 2 },
      temperature = 0.5,
      max_tokens = 9,
      thinking = { effort = "low" },
    }
    local function sent(text)
      return body("openai", options, {
        raw = json.raw(text),
        messages = false,
      })
    end
    local open = sent('{"messages":[],"temperature":null}')
    assert.same(
      { 0.5, 9, "low", 1, 2 },
      {
        open.temperature,
        open.max_tokens,
        open.reasoning_effort,
        open.seed,
        open["a.b"],
      }
    )
    local named = sent(
      '{"temperature":1,"max_completion_tokens":3,"thinking":{},"seed":0,'
        .. '"a.b":0}'
    )
    assert.same(
      { 1, 3, 0, 0 },
      {
        named.temperature,
        named.max_completion_tokens,
        named.seed,
        named["a.b"],
      }
    )
    assert.is_nil(named.max_tokens)
    assert.is_nil(named.reasoning_effort)
  end)

  it("replaces headers whatever the case of their names", function()
    local model = {
      provider = registry.get("openai"),
      headers = { authorization = "mine", ["X-A"] = "a" },
    }
    local call = own_body.build(model, {
      base_url = "https://a.example/v1",
      key = "k",
      model = "m",
      messages = {},
    })
    assert.equal("mine", call.headers.authorization)
    assert.is_nil(call.headers.Authorization)
    assert.equal("a", call.headers["X-A"])
  end)
end)
