local tide = require "tests.lua.support.tide"

--- Loads these plugins, each a value or a function that raises.
---@param given? table<string, any> "name.key" -> what is written
local function load(plugins, given)
  local names = {}
  for name in pairs(plugins) do
    names[#names + 1] = name
  end
  table.sort(names)
  local timers = {}
  tide.install({
    scripts = {
      names = package.loaded["tide.scripts"].names,
      plugins = function()
        return names
      end,
      line_of = function(_, ...)
        return select("#", ...)
      end,
    },
    plugin_settings = {
      given = function(plugin, key)
        local value = (given or {})[plugin .. "." .. key]
        return value, value ~= nil and "tidetalk.yaml:7" or nil
      end,
      names = function()
        local all = {}
        for name in pairs(given or {}) do
          local plugin, key = name:match("^(.-)%.(.*)$")
          all[#all + 1] =
            { plugin = plugin, key = key, origin = "tidetalk.yaml:7" }
        end
        return all
      end,
      secret = function(text)
        return { secret = text }
      end,
      secret_of_file = function(path)
        if path == "/nowhere" then
          return nil, "No such file or directory"
        end
        return { secret = "of " .. path }
      end,
      define = function() end,
    },
    timer = {
      every = function(name, ms, run)
        timers[name] = { ms = ms, run = run }
      end,
    },
  })
  for name, value in pairs(plugins) do
    package.loaded[name .. ".plugin"] = value
  end
  local loader = require "plugin.loader"
  return loader, timers
end

local function problems_of(plugins, given)
  local found = {}
  for i, problem in ipairs(load(plugins, given).problems) do
    found[i] = problem.message
  end
  return found
end

local function nothing() end

local function route(path)
  return { method = "GET", path = path, auth = "none", handler = nothing }
end

describe("plugin.loader", function()
  it("reads plugins by order, then by name", function()
    local loader = load({
      a = { api = 1 },
      b = { api = 1, order = 10, version = "1.2" },
      c = { api = 1, order = 60, requires = { "d" } },
      d = { api = 1, order = 70 },
    })
    assert.same({}, loader.problems)
    local names = {}
    for i, plugin in ipairs(loader.plugins) do
      names[i] = plugin.name
    end
    assert.same({ "b", "a", "d", "c" }, names)
    assert.equal("1.2", loader.plugins[1].version)
    assert.equal("plugins/a/plugin.lua", loader.plugins[2].file)
  end)

  it("refuses members that it does not know, and wrong types", function()
    local function refuses(plugin, wanted)
      local found = problems_of({ x = plugin })
      assert.equal(1, #found, wanted)
      assert.equal("plugins/x/plugin.lua:" .. wanted, found[1])
    end
    refuses(7, "0: must be a table, not an integer")
    refuses({}, "0: needs 'api'")
    refuses({ api = 2 }, "1: 'api' is 2; this server has the API 1")
    refuses({ api = 1, hook = {} }, "1: 'hook' is no member; there are api, "
      .. "errors, hooks, order, policies, providers, queues, requires, routes, "
      .. "settings, static, timers, tools, version")
    refuses({ api = 1, version = 3 },
      "1: 'version' must be a string, not an integer")
    refuses({ api = 1, routes = { GET = {} } },
      "1: 'routes' must be a list; it has the key 'GET'")
    refuses({ api = 1, routes = { 1 } },
      "1: 'routes' item 1 must be a table, not an integer")
    refuses({ api = 1, hooks = { before_llm = 1 } },
      "2: 'hooks.before_llm' must be a function or a table, not an integer")
    refuses({ api = 1, hooks = { before_lm = nothing } },
      "2: 'hooks.before_lm' is unknown; there are after_llm, before_llm, "
      .. "before_turn, on_delta, on_login, on_request, on_response, on_tool, "
      .. "quota")
    refuses({ api = 1, tools = { t = { description = "", run = nothing } } },
      "2: 'tools.t' needs 'parameters'")
    refuses({ api = 1, errors = { ["No"] = {} } },
      "2: 'errors.No' has characters that are not allowed there")
    refuses({ api = 1, timers = { t = { every = 1.5, run = nothing } } },
      "3: 'timers.t.every' must be an integer, not a float")
    refuses({ api = 1, policies = { titel = {} } },
      "2: 'policies.titel' is unknown; there are context, disconnect, files, "
      .. "login, persona, quota, title, upstream")
    refuses({ api = 1, settings = { key = { min = 1 } } },
      "2: 'settings.key' needs 'type'")
  end)

  it("tells everything that is wrong at once", function()
    local found = problems_of({
      x = { api = 1, version = 1, order = "first" },
      y = { api = 1, tool = {} },
    })
    assert.equal(3, #found)
    assert.matches("^plugins/x/.*'order'", found[1])
    assert.matches("^plugins/x/.*'version'", found[2])
    assert.matches("^plugins/y/.*'tool'", found[3])
  end)

  it("names two plugins that have the same thing", function()
    local function conflict(member, wanted)
      local loader = load({
        a = { api = 1, [member.part] = member.value },
        b = { api = 1, [member.part] = member.value },
      })
      local routes = {}
      loader.add_routes(routes)
      local problem = loader.problems[1]
      assert.matches(wanted, problem.message)
      assert.equal(1, #loader.problems)
    end
    conflict({ part = "routes", value = { route("/x") } },
      "two plugins serve GET /x: a and b")
    conflict({ part = "errors", value = {
      tide_out = { status = 422, en = "Out.", zh = "Out." },
    } }, "two plugins define the error tide_out: a and b")
    conflict({ part = "policies", value = {
      title = { from_message = nothing },
    } }, "two plugins decide title.from_message: a and b")
    conflict({ part = "tools", value = {
      moon = { description = "A moon.", parameters = {}, run = nothing },
    } }, "two plugins have the tool moon: a and b")
  end)

  it("leaves the server's own routes and errors as they are", function()
    local loader = load({
      a = {
        api = 1,
        routes = { route("/api/models/:id"), route("/new") },
        errors = { forbidden = { status = 400, en = "", zh = "" } },
      },
    })
    local routes = { route("/api/models/:model_id/") }
    loader.add_routes(routes)
    assert.equal(2, #routes)
    assert.equal("/new", routes[2].path)
    assert.matches("the server has an error forbidden",
      loader.problems[1].message)
    assert.matches("the server has a route GET /api/models/:id already",
      loader.problems[2].message)
    assert.equal(nothing, loader.problems[2].at)
    assert.equal(403, require("lib.errors").all.forbidden.status)
  end)

  it("puts what plugins have in its place", function()
    local asked = {}
    local function hook(name)
      return {
        before_llm = function()
          asked[#asked + 1] = name
        end,
      }
    end
    local tool = { description = "A moon.", parameters = {}, run = nothing }
    local function from_message()
      return "a title"
    end
    local loader, timers = load({
      a = { api = 1, order = 60, hooks = hook("a"), tools = { moon = tool } },
      b = {
        api = 1,
        hooks = hook("b"),
        timers = { sweep = { every = 1000, run = nothing } },
        policies = { title = { from_message = from_message } },
        errors = { no_moon = { status = 422, en = "No moon.", zh = "无月" } },
        providers = { moon = { framing = "sse" } },
      },
    })
    assert.same({}, loader.problems)
    require("hooks").before_llm({})
    assert.same({ "b", "a" }, asked)
    assert.equal(tool, require("tools").tools.moon)
    assert.same({ ms = 1000, run = nothing }, timers["b.sweep"])
    assert.equal(from_message, require("policy.title").from_message)
    assert.equal("no_moon", require("lib.errors").new("no_moon").code)
    local registry = require "providers.registry"
    assert.equal("sse", registry.get("moon").framing)
    local listed = {}
    for _, name in ipairs(registry.names()) do
      listed[name] = true
    end
    assert.is_true(listed.moon and listed.openai)
  end)

  it("wants what a plugin requires", function()
    local function refuses(requires, wanted)
      local found = problems_of({
        a = { api = 1, requires = requires },
        b = { api = 1, version = "1.10", requires = { "c" } },
        c = { api = 1 },
      })
      assert.equal(wanted, found[1] and found[1]:match("%d: (.*)"))
    end
    refuses({ "b >= 1.9", "c" }, nil)
    refuses({ "x" }, "the plugin x is required and not there")
    refuses({ "b >= 1.11" }, "b >= 1.11 is required, and b is of version 1.10")
    refuses({ "b 1" }, "'b 1' is not a name, or a name with >= and a version")
    local found = problems_of({
      a = { api = 1, requires = { "b" } },
      b = { api = 1, requires = { "a" } },
    })
    assert.matches("the plugin requires itself, through others", found[1])
  end)
end)

describe("plugin.settings", function()
  local SCHEMA = {
    url = { type = "string", required = true },
    limit = { type = "integer", default = 5, min = 1, max = 10 },
    factor = { type = "number", default = 1 },
    quiet = { type = "boolean", default = true },
    units = { type = "list", default = { "m" } },
    mode = { type = "string", default = "a", choices = { "a", "b" } },
    key = { type = "secret" },
  }

  --- The values that a plugin with this schema gets.
  local function values_of(given)
    local loader = load({ x = { api = 1, settings = SCHEMA } }, given)
    assert.same({}, loader.problems)
    local values = {}
    for name, value in pairs(require("plugin.settings").values) do
      values[name:match("^plugins%.x%.(.*)$")] = value
    end
    return values
  end

  it("has defaults", function()
    assert.same({
      url = "u", limit = 5, factor = 1, quiet = true, units = { "m" },
      mode = "a",
    }, values_of({ ["x.url"] = "u" }))
  end)

  it("gives what is written its type", function()
    assert.same({
      url = "u", limit = 10, factor = 0.5, quiet = false,
      units = { "a", "b" }, mode = "b", key = { secret = "s" },
    }, values_of({
      ["x.url"] = "u", ["x.limit"] = "10", ["x.factor"] = "0.5",
      ["x.quiet"] = "no", ["x.units"] = "a, b", ["x.mode"] = "b",
      ["x.key"] = "s",
    }))
    assert.same({ secret = "of /run/key" },
      values_of({ ["x.url"] = "u", ["x.key_file"] = "/run/key" }).key)
    assert.same({ "one" },
      values_of({ ["x.url"] = "u", ["x.units"] = { "one" } }).units)
  end)

  it("refuses what does not fit, with its place", function()
    local function refuses(key, text, wanted)
      local given = { ["x.url"] = "u" }
      given["x." .. key] = text
      local found = problems_of({ x = { api = 1, settings = SCHEMA } }, given)
      assert.same({ "tidetalk.yaml:7: plugins.x." .. wanted }, found)
    end
    refuses("limit", "11", "limit: must be at most 10")
    refuses("limit", "0", "limit: must be at least 1")
    refuses("limit", "1.5", "limit: must be a whole number")
    refuses("limit", { "1" }, "limit: must be a whole number")
    refuses("factor", "much", "factor: must be a number")
    refuses("quiet", "maybe", "quiet: must be true or false")
    refuses("mode", "c", "mode: must be one of a, b")
    refuses("url", { "a" }, "url: must be a text")
    refuses("key_file", "/nowhere", "key: /nowhere: No such file or directory")
    refuses("urls", "u", "urls: unknown setting; the plugin has factor, key, "
      .. "limit, mode, quiet, units, url")
    refuses("url_file", "u", "url_file: unknown setting; the plugin has "
      .. "factor, key, limit, mode, quiet, units, url")
  end)

  it("wants what is required", function()
    assert.same({ "plugins/x/plugin.lua:2: plugins.x.url: must be set, in "
      .. "tidetalk.yaml or as TIDETALK_PLUGINS_X_URL" },
      problems_of({ x = { api = 1, settings = SCHEMA } }))
  end)

  it("refuses declarations that mean nothing", function()
    local function refuses(spec, wanted)
      local found = problems_of({ x = { api = 1, settings = { k = spec } } })
      assert.same({ "plugins/x/plugin.lua:2: plugins.x.k: " .. wanted }, found)
    end
    refuses({ type = "text" }, "has the type 'text'; there are boolean, "
      .. "integer, list, number, secret, secrets, string")
    refuses({ type = "integer", default = "1" },
      "has a default that is a string, not a integer")
    refuses({ type = "integer", default = 0, min = 1 },
      "has a default that must be at least 1")
    refuses({ type = "secret", default = "x" }, "a secret has no default")
  end)

  it("warns of settings for plugins that are not there", function()
    local loader = load({ x = { api = 1 } }, { ["y.url"] = "u" })
    assert.same({}, loader.problems)
    assert.equal("tidetalk.yaml:7: plugins.y: there is no such plugin, or it "
      .. "is disabled", loader.advice()[1].message)
  end)

  it("shows them with secrets masked", function()
    values_of({ ["x.url"] = "u", ["x.key"] = "s" })
    local shown = {}
    for _, one in ipairs(require("plugin.settings").shown) do
      shown[one.key:match("[^.]+$")] = one.text .. " # " .. one.origin
    end
    assert.equal("**** # tidetalk.yaml:7", shown.key)
    assert.equal("m # default", shown.units)
    assert.equal("true # default", shown.quiet)
  end)
end)
