local tide = require "tests.lua.support.tide"

describe("models.models", function()
  local models, rows, refused

  local function row(id, more)
    local one = {
      id = id,
      user_id = 7,
      version = 1,
      provider = "openai",
      model_name = "m",
      base_url = "https://" .. id .. ".example/v1",
      api_key_sealed = "key " .. id,
      api_key_mask = "…",
      more_keys = "[]",
      seal_salt = "salt " .. id,
      upstream_model = "",
      options = "{}",
      headers = "[]",
      connect_ms = 0,
      first_byte_ms = 0,
      between_ms = 0,
      total_ms = 0,
    }
    for key, value in pairs(more or {}) do
      one[key] = value
    end
    return one
  end

  before_each(function()
    rows, refused = {}, {}
    tide.install({
      db = {
        query = function(sql, args)
          assert.truthy(sql:find("user_id = ? AND model_name = ?", 1, true))
          assert.truthy(sql:find("ORDER BY id", 1, true))
          return table.move(rows, 1, math.min(#rows, args[3]), 1, {})
        end,
        one = function(_, args)
          for _, one in ipairs(rows) do
            if one.id == args[2] and not one.gone then
              return one
            end
          end
          return nil
        end,
      },
      crypto = {
        unseal = function(sealed)
          return sealed
        end,
      },
      llm = {
        check_url = function(url)
          if refused[url] then
            return nil, { code = "address_not_allowed" }
          end
          return true
        end,
      },
      log = { debug = function() end },
    }, { demo = true })
    models = require "models.models"
  end)

  it("asks the oldest, the others stand in, in order", function()
    rows = { row(3), row(5), row(9) }
    local model = assert(models.resolve(7, "m"))
    assert.equal("key 3", model.key)
    assert.equal("key 5", model.fallbacks[1].key)
    assert.equal("https://9.example/v1", model.fallbacks[2].base_url)
    assert.equal(2, #model.fallbacks)
  end)

  it("leaves out what cannot stand in, never the first", function()
    rows = { row(3), row(5), row(8, { gone = true }), row(9) }
    refused["https://5.example/v1"] = true
    local model = assert(models.resolve(7, "m"))
    assert.equal(1, #model.fallbacks)
    assert.equal("key 9", model.fallbacks[1].key)
    refused["https://3.example/v1"], rows[1].version = true, 2
    assert.equal(
      "address_not_allowed",
      select(2, models.resolve(7, "m")).code
    )
  end)

  it("sends no other key to an address of the request", function()
    rows = { row(3), row(5) }
    local model = assert(models.resolve(7, "m", "https://mine.example"))
    assert.equal("https://mine.example", model.base_url)
    assert.equal("key 3", model.key)
    assert.same({}, model.fallbacks)
  end)

  it("opens addresses without the slashes at their end", function()
    rows = { row(3, { base_url = "https://3.example/v1//" }) }
    assert.equal("https://3.example/v1", models.resolve(7, "m").base_url)
    local given = assert(models.resolve(7, "m", "https://mine.example/"))
    assert.equal("https://mine.example", given.base_url)
  end)

  it("has the deadlines that a configuration names", function()
    rows = { row(3, { connect_ms = 50, total_ms = 900 }), row(5) }
    local model = assert(models.resolve(7, "m"))
    assert.same({ connect = 50, total = 900 }, model.deadlines)
    assert.same({}, model.fallbacks[1].deadlines)
  end)

  it("lets nobody stand in who does not see the images", function()
    rows = {
      row(3),
      row(5, { provider = "deepseek" }),
      row(9, { provider = "anthropic" }),
    }
    local model = assert(models.resolve(7, "m"))
    models.fit_fallbacks(model, { { role = "user", content = "hi" } })
    assert.equal(2, #model.fallbacks)
    local content = { { type = "text", text = "hi" }, { type = "image" } }
    models.fit_fallbacks(model, { { role = "user", content = content } })
    assert.equal(1, #model.fallbacks)
    assert.equal("anthropic", model.fallbacks[1].provider.name)
  end)

  it("opens a configuration once, and again when it has changed", function()
    rows = { row(3) }
    local first = assert(models.resolve(7, "m"))
    rows[1].api_key_sealed = "another key"
    assert.equal(first, models.resolve(7, "m"))
    rows[1].version = 2
    assert.equal("another key", models.resolve(7, "m").key)
  end)

  it("does not take a new configuration for one with its id", function()
    rows = { row(3) }
    assert(models.resolve(7, "m"))
    rows = { row(3, { seal_salt = "other", api_key_sealed = "other key" }) }
    assert.equal("other key", models.resolve(7, "m").key)
  end)

  it("opens names, options and headers of a configuration's own", function()
    rows = {
      row(3, {
        upstream_model = "deepseek-x",
        options = '{"temperature":0.5}',
        headers = '[{"name":"X-A","sealed":"a","mask":"…"}]',
      }),
      row(5),
    }
    local model = assert(models.resolve(7, "m"))
    assert.same({ "m", "deepseek-x" }, { model.name, model.upstream_name })
    assert.is_false(model.takes_images)
    assert.same({ temperature = 0.5 }, model.options)
    assert.same({ ["X-A"] = "a" }, model.headers)
    local plain = model.fallbacks[1]
    assert.equal("m", plain.upstream_name)
    assert.is_nil(plain.options)
    assert.is_nil(plain.headers)
  end)

  it("knows the built-in model and nothing else without a row", function()
    assert.equal("demo", models.resolve(7, "demo").name)
    assert.equal("no_api_for_model", select(2, models.resolve(7, "m")).code)
  end)
end)
