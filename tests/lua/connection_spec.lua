local tide = require "tests.lua.support.tide"

describe("models.connection", function()
  local connection

  before_each(function()
    tide.install()
    connection = require "models.connection"
  end)

  it("repairs addresses as they are pasted", function()
    for given, want in pairs({
      [" https://a.example/v1 "] = "https://a.example/v1",
      ["https://a.example/v1/"] = "https://a.example/v1",
      ["https://a.example/v1/chat/completions"] = "https://a.example/v1",
      ["https://a.example/v1/chat/completions/"] = "https://a.example/v1",
      ["https://a.example/v1/models"] = "https://a.example/v1",
      ["https://a.example"] = "https://a.example/v1",
      ["http://10.0.0.5:8000/"] = "http://10.0.0.5:8000/v1",
      ["https://api.openai.com"] = "https://api.openai.com/v1",
      ["https://api.deepseek.com"] = "https://api.deepseek.com/v1",
      ["https://open.bigmodel.cn/"] = "https://open.bigmodel.cn/api/paas/v4",
      ["https://api.perplexity.ai/"] = "https://api.perplexity.ai",
      ["https://a.example/openai"] = "https://a.example/openai",
      ["https://a.example/v1?x=1"] = "https://a.example/v1?x=1",
      ["nonsense"] = "nonsense",
      [""] = "",
    }) do
      assert.equal(want, connection.address(given, "openai"), given)
    end
  end)

  it("adds no version where the provider's script does", function()
    assert.equal(
      "https://a.example",
      connection.address("https://a.example/v1/messages/", "anthropic")
        :gsub("/v1$", "")
    )
    assert.equal(
      "http://10.0.0.5:11434",
      connection.address("http://10.0.0.5:11434/api/chat", "ollama")
    )
    assert.equal(
      "http://10.0.0.5:8000/v1",
      connection.address("http://10.0.0.5:8000", "vllm")
    )
  end)

  it("repairs keys", function()
    for given, want in pairs({
      [" sk-abc\n"] = "sk-abc",
      ["Bearer sk-abc"] = "sk-abc",
      ['"sk-abc"'] = "sk-abc",
      ["sk-a b"] = "sk-a b",
      [""] = "",
    }) do
      assert.equal(want, connection.key(given))
    end
  end)

  it("knows who is asked without a key", function()
    assert.is_true(connection.needs_key("openai"))
    assert.is_true(connection.needs_key("deepseek"))
    for _, name in ipairs({ "ollama", "vllm", "llama_cpp", "lm_studio" }) do
      assert.is_false(connection.needs_key(name))
    end
  end)
end)
