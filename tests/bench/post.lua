-- wrk: the same call again and again, and its figures as one JSON line.
-- WL_BENCH_BODY and WL_BENCH_KEY are the call's.  A "%d" in the body is another
-- number each time.
wrk.method = "POST"
wrk.body = os.getenv("WL_BENCH_BODY")
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer " .. os.getenv("WL_BENCH_KEY")

if string.find(wrk.body, "%d", 1, true) then
	local n = tonumber(os.getenv("WL_BENCH_FROM"))
	local head, tail = string.match(wrk.body, "^(.*)%%d(.*)$")

	function request()
		n = n + 1
		return wrk.format(nil, nil, nil, head .. string.format("%.0f", n) .. tail)
	end
end

function done(summary, latency)
	local e = summary.errors
	io.write(string.format(
	    '\n{"requests":%d,"us":%d,"failed":%d,"p50_us":%d,"p99_us":%d}\n',
	    summary.requests, summary.duration,
	    e.connect + e.read + e.write + e.status + e.timeout,
	    latency:percentile(50), latency:percentile(99)))
end
