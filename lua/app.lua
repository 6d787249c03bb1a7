--- The only entry of the scripts: the core loads this file, builds its router
--- from `routes`, calls `handle` in a coroutine for each request and renders
--- errors from `errors`. A new route is an entry in a *_routes.lua file; a new
--- file of routes is a line here.

local advice = require "checks.advice"
local contracts = require "checks.contracts"
local errors = require "lib.errors"
local only_hooks = require "lib.only_hooks"
local pipeline = require "web.pipeline"
-- Before the routes: these are made with the providers and errors of plugins.
local plugins = require "plugin.loader"
local plugin_settings = require "plugin.settings"
local returns = require "checks.returns"
local route_files = require "checks.route_files"
local schema_check = require "checks.schema_check"
local server_tools = require "tools"

local RESOURCES = {
  require "account.account_routes",
  require "account.api_key_routes",
  require "models.model_routes",
  require "chat.persona_routes",
  require "models.user_api_routes",
  require "chat.chat_routes",
  require "chat.session_routes",
  require "chat.reply_routes",
  require "chat.search_routes",
  require "files.file_routes",
  require "doors.openai_routes",
  require "doors.text_completions_routes",
  require "doors.messages_routes",
  require "doors.responses_routes",
  require "account.usage_routes",
  require "account.admin_user_routes",
  require "queue.queue_routes",
}

---@type tide.Route[]
local routes = {}
for _, resource in ipairs(RESOURCES) do
  for _, route in ipairs(resource) do
    routes[#routes + 1] = route
  end
end
plugins.add_routes(routes)

return {
  routes = routes,
  handle = pipeline.run,
  errors = errors.all,
  plugins = plugins.plugins,
  tools = server_tools.tools,
  plugin_settings = plugin_settings.shown,
  -- Errors at paths that begin so are Anthropic's or OpenAI's error objects,
  -- also those that the core answers before a script runs. The first one that
  -- fits counts.
  error_shapes = {
    { prefix = "/v1/messages", shape = "anthropic" },
    { prefix = "/v1/", shape = "openai" },
  },
  -- Run when scripts are loaded; what they return is wrong with the scripts.
  self_tests = {
    function()
      return plugins.problems
    end,
    contracts.check,
    route_files.check,
    function()
      return schema_check.check(routes)
    end,
  },
  -- For test.hooks of `tidetalk test`.
  use_hooks = only_hooks,
  -- What `tidetalk check` warns of.
  advice = {
    function()
      return advice.of_routes(routes)
    end,
    advice.of_hooks,
    advice.of_policies,
    advice.of_providers,
    function()
      return returns.advice(routes)
    end,
    plugins.advice,
  },
}
