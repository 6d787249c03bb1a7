local tide = require "tests.lua.support.tide"

describe("models.known_models", function()
  local known

  before_each(function()
    tide.install()
    known = require "models.known_models"
  end)

  it("tells what kind a model is", function()
    for name, kind in pairs({
      ["gpt-5"] = "chat",
      demo = "chat",
      ["text-embedding-3-small"] = "embedding",
      ["BAAI/bge-m3"] = "embedding",
      ["BAAI/bge-reranker-v2-m3"] = "rerank",
      ["omni-moderation-latest"] = "moderation",
    }) do
      assert.equal(kind, known.kind(name), name)
    end
  end)

  it("tells the context of services' models only", function()
    assert.equal(128000, known.context_window("gpt-4o-mini", "openai"))
    assert.equal(8192, known.context_window("gpt-4", "openai"))
    assert.equal(
      200000,
      known.context_window("anthropic/Claude-sonnet-4", "openrouter")
    )
    assert.is_nil(known.context_window("mine", "openai"))
    assert.is_nil(known.context_window("gpt-4o", "vllm"))
    assert.is_nil(known.context_window("gpt-4o", "gone"))
    assert.is_nil(known.context_window("demo", "demo"))
  end)
end)
