local tide = require "tests.lua.support.tide"

describe("app", function()
  local app

  before_each(function()
    tide.install()
    app = require "app"
  end)

  it("declares whole and unique routes", function()
    local seen = {}
    for _, route in ipairs(app.routes) do
      local key = route.method .. " " .. route.path:gsub(":[%w_]+", ":")
      assert.is_nil(seen[key], key)
      seen[key] = true
      assert.is_function(route.handler, key)
      assert.is_string(route.summary, key)
      assert.truthy(
        route.auth == "none" or route.auth == "user" or route.auth == "admin"
      )
      for name in route.path:gmatch(":([%w_]+)") do
        local declared = false
        for _, field in ipairs(route.params.fields) do
          declared = declared or field.name == name
        end
        assert.is_true(declared, key .. ": " .. name)
      end
    end
  end)

  it("limits the body of every route but those that take messages", function()
    for _, route in ipairs(app.routes) do
      local message = route.path:find("^/api/chat/message")
      if route.request and not message then
        assert.is_number(route.body_max, route.method .. " " .. route.path)
      else
        assert.is_nil(route.body_max, route.method .. " " .. route.path)
      end
    end
  end)

  it("protects every public route but register and login", function()
    for _, route in ipairs(app.routes) do
      if route.listener ~= "admin" and route.auth == "none" then
        assert.truthy(
          route.path == "/api/register" or route.path == "/api/login",
          route.path
        )
      end
      if route.path:find("^/admin") then
        assert.equal("admin", route.listener, route.path)
      end
    end
  end)
end)
