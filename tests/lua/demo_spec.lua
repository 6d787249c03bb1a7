local tide = require "tests.lua.support.tide"

describe("providers.demo", function()
  local demo
  local persona = { name = "Second", content = "You are the second." }

  before_each(function()
    tide.install()
    demo = require "providers.demo"
  end)

  local function plan(message, language)
    local messages = { { role = "user", content = message } }
    return demo.play(messages, persona, language or "en")
  end

  it("answers in the asker's language, whatever the client's is", function()
    local text = require "tide.text"
    assert.is_true(text.has_cjk(plan("潮聊是什么？", "en").text))
    assert.is_true(plan("What is TideTalk?", "zh").text:find("chat server") > 0)
    assert.is_true(text.has_cjk(plan("随便说点什么", "en").text))
  end)

  it("looks at the beginning of a long message only", function()
    local before = ("x "):rep(990)
    assert.truthy(plan(before .. "personas").text:find("style.yaml", 1, true))
    before = ("x "):rep(1000)
    assert.falsy(plan(before .. "personas").text:find("style.yaml", 1, true))
    assert.truthy(plan(("a"):rep(1 << 20)).text:find("You wrote: “a", 1, true))
  end)

  it("says that it is the demo model and repeats the message", function()
    local answer = plan("Name three rivers").text
    assert.truthy(answer:find("demo model", 1, true))
    assert.truthy(answer:find("Name three rivers", 1, true))
    assert.truthy(answer:find("Second", 1, true))
    local long = plan(("长"):rep(500) .. "{echo}").text
    assert.truthy(long:find(("长"):rep(60) .. "…", 1, true))
    assert.falsy(long:find(("长"):rep(61), 1, true))
  end)

  it("leaves no placeholder in any answer", function()
    for _, message in ipairs({
      "how do I add an api key", "personas?", "edit lua", "streaming",
      "history", "what is tidetalk", "hi", "x",
      "怎么添加密钥", "人设", "修改脚本", "流式", "历史", "你是谁", "你好", "甲",
    }) do
      local play = plan(message)
      assert.falsy(play.text:find("{%w+}"), message)
      assert.not_equal("", play.text)
      assert.is_nil(play.error)
    end
  end)

  it("tells topics apart by whole words", function()
    assert.truthy(plan("hi").text:find("Hello!", 1, true))
    assert.falsy(plan("sushi is high art").text:find("Hello!", 1, true))
    assert.truthy(plan("Personas?").text:find("style.yaml", 1, true))
  end)

  it("keeps what looks like a pattern or placeholder as it is", function()
    local answer = plan("100%1 {turns} %d").text
    assert.truthy(answer:find("“100%1 {turns} %d”", 1, true))
  end)

  it("tells how many messages it sees", function()
    local play = demo.play({
      { role = "system", content = "x" },
      { role = "user", content = "one" },
      { role = "assistant", content = "two" },
      { role = "user", content = "which context do you have" },
    }, persona, "en")
    assert.truthy(play.text:find("I see 2 of your messages", 1, true))
  end)

  it("/long N makes N numbered lines, at most 20000", function()
    local function lines(message)
      local _, breaks = plan(message).text:gsub("\n", "\n")
      return breaks + 1
    end
    assert.equal(3, lines("/long 3"))
    assert.equal(200, lines("/long"))
    assert.equal(200, lines("/long many"))
    assert.equal(1, lines("/long -5"))
    assert.equal(20000, lines("/long 99999999999999999999999"))
    assert.truthy(plan("/long 3").text:find("^1%. .*\n2%. .*\n3%. "))
  end)

  it("/slow is slow, /error fails, /help helps, others are quick", function()
    assert.equal(300, plan("/slow").pace_ms)
    assert.equal("upstream_failed", plan(" /ERROR ").error)
    assert.not_equal("", plan("/error").text)
    assert.truthy(plan("/help").text:find("/long N", 1, true))
    assert.truthy(plan("/help", "zh").text:find("可用命令", 1, true))
    assert.is_true(plan("anything").pace_ms <= 20)
    assert.is_true(plan("anything").piece <= 4)
    assert.truthy(plan("/unknown").text:find("/unknown", 1, true))
  end)
end)
