-- Writes wrk's summary for the harness, as one JSON object, to the file that HARNESS_SUMMARY names.
-- Of the latencies only the extremes: to the rest wrk adds samples of its own (stats_correct in its source).

function done(summary, latency)
  local errors = summary.errors
  local file = assert(io.open(os.getenv("HARNESS_SUMMARY"), "w"))
  file:write(string.format(
    '{"duration_us": %d, "requests": %d, "connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d, '
      .. '"min_us": %d, "max_us": %d}',
    summary.duration, summary.requests, errors.connect, errors.read, errors.write, errors.status, errors.timeout,
    latency.min, latency.max
  ))
  file:close()
end
