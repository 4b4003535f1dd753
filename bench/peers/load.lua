-- wrk's own report rounds its latencies; this one says them in whole microseconds, with what shows a wrong answer.
-- BODY: what is posted, with CREDENTIAL. DISTINCT: every request is another question (the word DISTINCT in the body).
local body, distinct, count = os.getenv("BODY"), os.getenv("DISTINCT"), 0

if body then
  wrk.method = "POST"
  wrk.headers["content-type"] = "application/json"
  wrk.headers["authorization"] = os.getenv("CREDENTIAL")
  wrk.body = body
end

if distinct then
  local before, after = body:match("^(.*)DISTINCT(.*)$")
  request = function()
    count = count + 1
    return wrk.format(nil, nil, nil, string.format("%s%s%09d%s", before, distinct, count, after))
  end
end

done = function(summary, latency)
  local bad = 0
  for _, count in pairs(summary.errors) do bad = bad + count end
  io.write(string.format("report requests=%d bytes=%d bad=%d p50us=%d\n", summary.requests, summary.bytes, bad, latency:percentile(50)))
end
