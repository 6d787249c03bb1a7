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
    assert.equal(expected, build("https://api.example.com/v1/").url)
    assert.equal(expected, build("https://api.example.com/v1//").url)
  end)

  it("always asks for a stream with usage", function()
    local body = json.decode(build().body)
    assert.same({
      model = "some-model",
      messages = { { role = "user", content = "潮水𠮷" } },
      stream = true,
      stream_options = { include_usage = true },
    }, body)
  end)

  it("hands on what a client sent, but for its own fields", function()
    local body = json.decode(openai.build({
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
    }).body)
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
    assert.falsy(request.body:find("secret", 1, true))
    assert.falsy(request.url:find("secret", 1, true))
  end)

  it("declares paths that the core can read", function()
    for _, paths in ipairs({ openai.stream, openai.whole }) do
      for name, path in pairs(paths) do
        local steps = 0
        for step in (path .. "."):gmatch("(.-)%.") do
          steps = steps + 1
          assert.not_equal("", step, name)
        end
        assert.is_true(steps <= 8, name)
      end
    end
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
    assert.is_function(registry.builtin.plan)
  end)
end)
