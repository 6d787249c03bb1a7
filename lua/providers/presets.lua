--- Services that speak the form of another provider, by the name that an API
--- configuration may give. A preset is data: an address and what is different.
--- Those without an address run in one's own network: the configuration has to
--- give it, and the operator has to allow it (outbound.allow).
--- Sources: each service's own page on compatibility with OpenAI's API.

---@class ProviderPreset
---@field name string
---@field speaks string a file of this folder
---@field base_url? string
---@field images? true|string[] models that take images: all, or those whose
--- name one of the patterns matches; nil = none
---@field key_optional? boolean it is also asked without a key
---@field refuses? string see tide.Provider
---@field thinking? string how much its models think, in its form: a function of
--- providers/thinking; nil = as what it speaks
---@field reasoning_back? boolean see tide.Provider
---@field offers? string[] which of "rerank" and "moderate" it has
---@field notes? string for people

---@type ProviderPreset[]
return {
  {
    name = "deepseek",
    speaks = "openai",
    thinking = "thinking_type",
    reasoning_back = true,
    base_url = "https://api.deepseek.com/v1",
    notes = "deepseek-chat, deepseek-reasoner; reasoning comes separately.",
  },
  {
    name = "qwen",
    speaks = "openai",
    thinking = "enable_thinking",
    base_url = "https://dashscope.aliyuncs.com/compatible-mode/v1",
    images = { "vl", "omni", "qvq" },
    notes = "DashScope in its compatible mode; outside of China the address "
      .. "is https://dashscope-intl.aliyuncs.com/compatible-mode/v1.",
  },
  {
    name = "zhipu",
    speaks = "openai",
    thinking = "thinking_type",
    base_url = "https://open.bigmodel.cn/api/paas/v4",
    images = { "%dv" },
    notes = "GLM models.",
  },
  {
    name = "moonshot",
    speaks = "openai",
    thinking = "thinking_type",
    reasoning_back = true,
    base_url = "https://api.moonshot.cn/v1",
    images = { "vision", "latest", "k2%.5" },
    notes = "Kimi; outside of China the address is "
      .. "https://api.moonshot.ai/v1.",
  },
  {
    name = "doubao",
    speaks = "openai",
    thinking = "thinking_type",
    base_url = "https://ark.cn-beijing.volces.com/api/v3",
    images = { "vision", "seed" },
    notes = "Volcengine Ark; the model is a model's or an endpoint's id.",
  },
  {
    name = "siliconflow",
    speaks = "openai",
    thinking = "enable_thinking",
    base_url = "https://api.siliconflow.cn/v1",
    offers = { "rerank" },
    images = { "VL" },
    notes = "Open models by many vendors.",
  },
  {
    name = "openrouter",
    speaks = "openai",
    thinking = "reasoning",
    base_url = "https://openrouter.ai/api/v1",
    images = true,
    notes = "Models by many vendors, as vendor/model.",
  },
  {
    name = "groq",
    speaks = "openai",
    base_url = "https://api.groq.com/openai/v1",
    images = { "llama%-4" },
  },
  {
    name = "mistral",
    speaks = "openai",
    refuses = "stream_options",
    base_url = "https://api.mistral.ai/v1",
    offers = { "moderate" },
    images = { "pixtral", "mistral%-small", "mistral%-medium" },
  },
  {
    name = "xai",
    speaks = "openai",
    base_url = "https://api.x.ai/v1",
    images = { "vision", "grok%-4" },
    notes = "Grok.",
  },
  {
    name = "vllm",
    speaks = "openai",
    thinking = "template",
    key_optional = true,
    offers = { "rerank" },
    images = true,
    notes = "vllm serve, usually http://HOST:8000/v1.",
  },
  {
    name = "llama_cpp",
    speaks = "openai",
    thinking = "template",
    key_optional = true,
    offers = { "rerank" },
    images = true,
    notes = "llama-server, usually http://HOST:8080/v1.",
  },
  {
    name = "lm_studio",
    speaks = "openai",
    key_optional = true,
    images = true,
    notes = "Usually http://HOST:1234/v1.",
  },
}
