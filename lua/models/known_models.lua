--- What models' names say of them: what kind they are and how much they read.
--- Services do not tell it in one way; a name that is not known says nothing.
--- Pure. Sources: each vendor's page of models.

local registry = require "providers.registry"

local M = {}

--- Words in a name, in lower case, and what its model then is: the first that
--- fits. All others chat.
---@type {word: string, kind: string}[]
local KINDS = {
  { word = "rerank", kind = "rerank" },
  { word = "moderation", kind = "moderation" },
  { word = "embed", kind = "embedding" },
  { word = "bge-", kind = "embedding" },
  { word = "gte-", kind = "embedding" },
}

--- Patterns of names without their vendor and tokens of the context: the first
--- that fits.
---@type {pattern: string, tokens: integer}[]
local WINDOWS = {
  { pattern = "^gpt%-5", tokens = 400000 },
  { pattern = "^gpt%-4%.1", tokens = 1047576 },
  { pattern = "^gpt%-4o", tokens = 128000 },
  { pattern = "^gpt%-4%-turbo", tokens = 128000 },
  { pattern = "^gpt%-4$", tokens = 8192 },
  { pattern = "^gpt%-3%.5%-turbo", tokens = 16385 },
  { pattern = "^o1%-mini", tokens = 128000 },
  { pattern = "^o[134]", tokens = 200000 },
  { pattern = "^text%-embedding%-3", tokens = 8191 },
  { pattern = "^claude%-", tokens = 200000 },
  { pattern = "^gemini%-1%.5%-pro", tokens = 2097152 },
  { pattern = "^gemini%-%d", tokens = 1048576 },
  { pattern = "^deepseek%-chat", tokens = 131072 },
  { pattern = "^deepseek%-reasoner", tokens = 131072 },
  { pattern = "^kimi%-k2", tokens = 262144 },
  { pattern = "^moonshot%-v1%-8k", tokens = 8192 },
  { pattern = "^moonshot%-v1%-32k", tokens = 32768 },
  { pattern = "^moonshot%-v1%-128k", tokens = 131072 },
  { pattern = "^glm%-4%.6", tokens = 204800 },
  { pattern = "^glm%-4%.5", tokens = 131072 },
  { pattern = "^grok%-4", tokens = 256000 },
  { pattern = "^grok%-3", tokens = 131072 },
}

---@param name string
---@return "chat"|"embedding"|"rerank"|"moderation"
function M.kind(name)
  local lower = name:lower()
  for _, one in ipairs(KINDS) do
    if lower:find(one.word, 1, true) then
      return one.kind
    end
  end
  return "chat"
end

--- How many tokens a model reads, at a service that decides that by its name.
--- Whoever runs a model chooses its context.
---@param name string
---@param provider string
---@return integer|nil tokens nil = not known
function M.context_window(name, provider)
  local service = registry.get(provider)
  if not service or service.key_optional then
    return nil
  end
  local bare = name:lower():match("[^/]*$")
  for _, one in ipairs(WINDOWS) do
    if bare:find(one.pattern) then
      return one.tokens
    end
  end
  return nil
end

return M
