--- tide.queue: see types/queue.lua.

local arguments = require "lib.arguments"
local jobs = require "queue.jobs"
local queues = require "queue.queues"
local runner = require "queue.runner"

local M = {}

local OPTIONS = {
  delay = "integer?",
  key = "string?",
  attempts = "integer?",
  user = "integer?",
}

--- 30 days.
local DELAY_MAX = 2592000000
local KEY_MAX = 200

M.define = queues.define

function M.push(name, payload, options)
  local spec = queues.get(name)
  options = options or {}
  if not spec then
    error(
      ("queue.push: there is no queue '%s'; there are: %s"):format(
        tostring(name),
        table.concat(queues.names(), ", ")
      ),
      2
    )
  end
  arguments.check("queue.push", options, OPTIONS)
  local delay, key = options.delay or 0, options.key
  if delay < 0 or delay > DELAY_MAX then
    error("queue.push: 'delay' is 0 to 30 days, in milliseconds", 2)
  elseif key and (#key == 0 or #key > KEY_MAX) then
    error(("queue.push: 'key' has 1 to %d bytes"):format(KEY_MAX), 2)
  elseif options.attempts and options.attempts < 1 then
    error("queue.push: 'attempts' is at least 1", 2)
  end
  local pushed, err = jobs.push({
    queue = name,
    payload = payload,
    user = options.user,
    key = key,
    delay = delay,
    attempts = options.attempts or spec.attempts,
    backlog = spec.backlog,
    user_backlog = spec.user_backlog,
  })
  if pushed and pushed.new and delay == 0 then
    runner.look(name)
  end
  return pushed, err
end

return M
