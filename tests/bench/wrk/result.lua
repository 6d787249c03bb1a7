--- What load.lua and nodes.lua print at the end: requests, failed, seconds, p50
--- and p99 in microseconds.

function done(summary, latency)
  local errors = summary.errors
  local failed = 0
  for _, kind in ipairs({ "connect", "read", "write", "status", "timeout" }) do
    failed = failed + errors[kind]
    if errors[kind] > 0 then
      io.stderr:write(("%d errors: %s\n"):format(errors[kind], kind))
    end
  end
  io.write(
    ("RESULT %d %d %.3f %.1f %.1f\n"):format(
      summary.requests,
      failed,
      summary.duration / 1e6,
      latency:percentile(50),
      latency:percentile(99)
    )
  )
end
