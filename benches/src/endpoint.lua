-- One line of what wrk saw, for the bench to read: requests, microseconds, p50 and p99 in microseconds, errors.
done = function(summary, latency, _)
  local e = summary.errors
  io.write(string.format("seen %d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
