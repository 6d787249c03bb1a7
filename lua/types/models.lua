---@meta tide.models

--- The models that a user can ask, by the names that the user calls them.
---
--- ```lua
--- local vectors, err = models.embed({
---   user = req.user.id,
---   model = "text-embedding-3-small",
---   input = { "high tide", "low tide" },
--- })
--- ```
---@class tide.models
local models = {}

---@class tide.ModelInfo
---@field name string
---@field upstream_name string as its provider calls it
---@field provider string
---@field kind "chat"|"embedding"|"rerank"|"moderation" as far as its name says
---@field context_window? integer tokens; nil = not known
---@field takes_images? boolean only of models.resolve

--- The user's models.
---@async
---@param user integer
---@return tide.ModelInfo[]|nil models
---@return tide.Error|nil err
function models.list(user) end

--- What a name stands for now. Keys stay in the core.
---@async
---@param user integer
---@param name string
---@return tide.ModelInfo|nil model
---@return tide.Error|nil err no_api_for_model, address_not_allowed,
--- unknown_provider, no_base_url, secret_unreadable
function models.resolve(user, name) end

---@class tide.EmbedSpec
---@field user integer
---@field model string
---@field input string|string[]

--- The vectors of texts, in their order.
---@async
---@param spec tide.EmbedSpec
---@return number[][]|nil vectors
---@return tide.Error|nil err model_not_found, embeddings_not_supported,
--- limit_reached, upstream_bad_response, those of upstreams
function models.embed(spec) end

---@class tide.RerankSpec
---@field user integer
---@field model string
---@field query string
---@field documents string[]
---@field top_n? integer

--- Documents by how well they fit a query, the best first. `index` counts from
--- 1.
---@async
---@param spec tide.RerankSpec
---@return {index: integer, score: number}[]|nil ranked
---@return tide.Error|nil err model_not_found, rerank_not_supported,
--- limit_reached, upstream_bad_response, those of upstreams
function models.rerank(spec) end

--- About how many tokens a text has, or messages.
---@param what string|tide.ChatMessage[]
---@return integer tokens
function models.tokens(what) end

return models
