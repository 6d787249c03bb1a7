local tide = require "tests.lua.support.tide"

describe("providers.openai", function()
  local openai, json

  before_each(function()
    tide.install()
    openai = require "providers.openai"
    json = require "tide.json"
  end)

  local function build(base_url)
    return openai.build({
      base_url = base_url or "https://api.example.com/v1",
      key = "the secret",
      model = "some-model",
      messages = { { role = "user", content = "潮水𠮷" } },
    })
  end

  it("appends its path to the address", function()
    local expected = "https://api.example.com/v1/chat/completions"
    assert.equal(expected, build("https://api.example.com/v1").url)
  end)

  it("always asks for a stream with usage", function()
    local body = build().body
    assert.same({
      model = "some-model",
      messages = { { role = "user", content = "潮水𠮷" } },
      stream = true,
      stream_options = { include_usage = true },
    }, body)
  end)

  it("hands on what a client sent, but for its own fields", function()
    local body = openai.build({
      base_url = "https://api.example.com/v1",
      key = "the secret",
      model = "some-model",
      messages = {},
      max_tokens = 7,
      options = {
        temperature = 0.5,
        stream = false,
        model = "other",
        new_field = { 1 },
      },
    }).body
    assert.same({
      model = "some-model",
      messages = {},
      stream = true,
      stream_options = { include_usage = true },
      temperature = 0.5,
      max_tokens = 7,
      new_field = { 1 },
    }, body)
  end)

  it("hands the key on untouched, in one header only", function()
    local request = build()
    assert.same({ "Bearer ", "the secret" }, request.headers.Authorization)
    assert.falsy(json.encode(request.body):find("secret", 1, true))
    assert.falsy(request.url:find("secret", 1, true))
  end)
end)

describe("providers.registry", function()
  it("lists what a configuration may name", function()
    tide.install()
    local registry = require "providers.registry"
    for _, name in ipairs(registry.names()) do
      local provider = registry.get(name)
      assert.equal(name, provider.name)
      assert.is_function(provider.build)
    end
    assert.truthy(registry.get(registry.DEFAULT))
    assert.is_nil(registry.get("demo"))
    assert.is_function(registry.builtin.play)
  end)

  it("makes providers of presets, with another address", function()
    tide.install()
    local registry = require "providers.registry"
    local openai, deepseek = registry.get("openai"), registry.get("deepseek")
    assert.equal("https://api.deepseek.com/v1", deepseek.base_url)
    assert.equal(openai.build, deepseek.build)
    assert.equal(openai.stream, deepseek.stream)
    assert.equal("https://api.openai.com/v1", openai.base_url)
    assert.is_nil(registry.get("vllm").base_url)
    assert.is_nil(registry.get("ollama").base_url)
    for _, preset in ipairs(require "providers.presets") do
      local provider = registry.get(preset.name)
      assert.equal(preset.base_url, provider.base_url)
      if provider.base_url then
        assert.truthy(provider.base_url:find("^https://[%w./-]+[^/]$"))
      end
    end
  end)

  it("knows which models take images", function()
    tide.install()
    local registry = require "providers.registry"
    local function takes(name, model)
      return registry.takes_images(registry.get(name), model)
    end
    assert.is_true(takes("openai", "gpt-4o"))
    assert.is_true(takes("openai", "unknown"))
    assert.is_false(takes("openai", "gpt-3.5-turbo"))
    assert.is_false(takes("deepseek", "deepseek-chat"))
    assert.is_true(takes("qwen", "qwen-vl-max"))
    assert.is_false(takes("qwen", "qwen-max"))
    assert.is_true(takes("anthropic", "any"))
    local asked = { images = function(model) return model == "sees" end }
    assert.is_true(registry.takes_images(asked, "sees"))
    assert.is_false(registry.takes_images(asked, "blind"))
  end)
end)
