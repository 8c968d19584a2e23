-- Submits a fresh (user, action) pair with every request: all users one action, then the next one.
-- Arguments: a file with a token per line, the number of the first action, and the milliseconds that
-- each connection waits between two submissions.

local tokens = {}
local user, action, pause

function init(arguments)
    for token in io.lines(arguments[1]) do
        tokens[#tokens + 1] = token
    end
    user, action, pause = 0, tonumber(arguments[2]), tonumber(arguments[3])
end

function delay()
    return pause > 0 and math.random(2 * pause) or 0
end

function request()
    user = user + 1
    if user > #tokens then
        user, action = 1, action + 1
    end
    local body = '{"actionId":"a' .. action .. '"}'
    return "POST /api/actions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer "
        .. tokens[user]
        .. "\r\nContent-Type: application/json\r\nContent-Length: "
        .. #body .. "\r\n\r\n" .. body
end

function done(summary, latency, _)
    local errors = summary.errors
    print(string.format(
        'REPORT {"requests": %d, "per_second": %f, "p50_ms": %f, "p99_ms": %f, "worst_ms": %f, "errors": %d}',
        summary.requests, summary.requests / summary.duration * 1e6,
        latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
