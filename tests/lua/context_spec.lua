local conversations = require "tide.messages"
local tide = require "tests.lua.support.tide"

describe("policy.context", function()
  local context, context_spec

  before_each(function()
    tide.install()
    context = require "policy.context"
    context_spec = require "lib.context_spec"
  end)

  --- What the model gets, as tables.
  local function built(spec)
    spec.history, spec.rows = conversations.new(spec.rows), nil
    return context.build(context_spec.of(spec)):tables()
  end

  --- "u1 a1 u2 a2" -> rows; "a-" is an empty reply.
  local function rows(text)
    local list = {}
    for word in text:gmatch("%S+") do
      local role = word:sub(1, 1) == "u" and "user" or "assistant"
      local content = word:sub(2) == "-" and "" or word
      list[#list + 1] = { role = role, content = content }
    end
    return list
  end

  local function build(history, pairs_max, system)
    local words = {}
    for _, m in
      ipairs(built({
        system = system or "",
        rows = rows(history),
        message = "new",
        pairs = pairs_max or 10,
      }))
    do
      words[#words + 1] = m.role:sub(1, 1) .. ":" .. m.content
    end
    return table.concat(words, " ")
  end

  it("sends the message alone when there is no history", function()
    assert.equal("u:new", build(""))
  end)

  it("puts the system prompt in front", function()
    assert.equal("s:be kind u:new", build("", 10, "be kind"))
    assert.equal("s:x u:u1 a:a1 u:new", build("u1 a1", 10, "x"))
  end)

  it("keeps the last pairs only", function()
    assert.equal("u:u2 a:a2 u:u3 a:a3 u:new", build("u1 a1 u2 a2 u3 a3", 2))
    assert.equal("u:new", build("u1 a1", 0))
  end)

  it("drops failed turns as pairs, before it counts", function()
    assert.equal("u:u1 a:a1 u:u3 a:a3 u:new", build("u1 a1 u2 a- u3 a3", 2))
    assert.equal("u:new", build("u1 a-"))
  end)

  it("begins with a user's turn whatever the rows begin with", function()
    assert.equal("u:u2 a:a2 u:new", build("a1 u2 a2"))
  end)

  it("puts files behind the message that they came with", function()
    local file = { name = "f.txt", text = "T" }
    local messages = built({
      system = "",
      rows = {
        { role = "user", content = "u1", files = { file } },
        { role = "assistant", content = "a1" },
      },
      message = "",
      files = { file },
      pairs = 10,
    })
    assert.equal("u1\n\n=== f.txt ===\nT", messages[1].content)
    assert.equal("=== f.txt ===\nT", messages[3].content)
  end)

  it("alternates even when rows do not", function()
    assert.equal("u:u2 a:a2 u:new", build("u1 u2 a2 a3 u4"))
  end)

  it("always alternates and is bounded", function()
    local seed = 20240101 -- scripts cannot seed math.random
    local function random(low, high)
      seed = (seed * 1103515245 + 12345) % 2147483648
      return low + (seed >> 8) % (high - low + 1)
    end
    for _ = 1, 500 do
      local words = {}
      for i = 1, random(0, 40) do
        words[i] = ({ "u" .. i, "a" .. i, "a-" })[random(1, 3)]
      end
      local limit = random(0, 10)
      local messages = built({
        system = "",
        rows = rows(table.concat(words, " ")),
        message = "new",
        pairs = limit,
      })
      assert.is_true(#messages <= 2 * limit + 1)
      assert.is_true(#messages % 2 == 1)
      for i, m in ipairs(messages) do
        assert.equal(i % 2 == 1 and "user" or "assistant", m.role)
        assert.not_equal("", m.content)
      end
    end
  end)

  it("shows a policy the history as tables when it asks for them", function()
    local file = { name = "f.txt", text = "T" }
    local list = { { role = "user", content = "u1", id = 3 } }
    local spec = context_spec.of({ history = conversations.new(list) })
    spec.history:set_files(1, { file })
    local row = { role = "user", content = "u1", id = 3, file_ids = "" }
    row.files = { file }
    assert.same({ row }, spec.rows)
    assert.equal(spec.rows, spec.rows)
  end)
end)
