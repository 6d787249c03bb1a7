local tide = require "tests.lua.support.tide"

describe("policy.upstream", function()
  local policy

  local function settings(more)
    local all = {
      balance = "first",
      retries = 2,
      retry_wait = 400,
      retry_after_max = 5000,
      retry_after_send = false,
    }
    for key, value in pairs(more or {}) do
      all[key] = value
    end
    return all
  end

  before_each(function()
    tide.install()
    policy = require "policy.upstream"
  end)

  it("asks the first choice first, or each in turn", function()
    assert.same({ 1, 2, 3 }, policy.order(3, "first", 0.9))
    assert.same({ 1, 2, 3 }, policy.order(3, "spread", 0))
    assert.same({ 2, 3, 1 }, policy.order(3, "spread", 0.5))
    assert.same({ 3, 1, 2 }, policy.order(3, "spread", 0.999))
    assert.same({ 1 }, policy.order(1, "spread", 0.999))
  end)

  it("asks all of them, then waits and asks again", function()
    assert.same({
      { candidate = 1, wait = 0 },
      { candidate = 2, wait = 0 },
      { candidate = 1, wait = 400 },
      { candidate = 2, wait = 0 },
      { candidate = 1, wait = 800 },
      { candidate = 2, wait = 0 },
    }, policy.plan(2, settings(), 0.5).steps)
  end)

  it("asks once when nothing is to be repeated", function()
    local plan = policy.plan(1, settings({ retries = 0 }), 0.1)
    assert.same({ { candidate = 1, wait = 0 } }, plan.steps)
  end)

  it("spreads the waits and bounds the plan", function()
    local early = policy.plan(1, settings(), 0).steps[2].wait
    local late = policy.plan(1, settings(), 0.999).steps[2].wait
    assert.equal(300, early)
    assert.is_true(late > 490 and late < 500)
    assert.equal(32, #policy.plan(9, settings({ retries = 3 }), 0).steps)
  end)

  it("hands the limits on", function()
    local plan = policy.plan(1, settings({ retry_after_send = true }), 0)
    assert.is_true(plan.after_send)
    assert.equal(5000, plan.retry_after_max)
    assert.is_false(policy.plan(1, settings(), 0).after_send)
  end)
end)
