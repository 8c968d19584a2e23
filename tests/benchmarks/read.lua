-- Reads the board. Argument: the ETag that the client has already; nothing for none.

local text

function init(arguments)
    text = "GET /api/leaderboard HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    if arguments[1] and arguments[1] ~= "" then
        text = text .. "If-None-Match: " .. arguments[1] .. "\r\n"
    end
    text = text .. "\r\n"
end

function request()
    return text
end

function done(summary, latency, _)
    local errors = summary.errors
    print(string.format(
        'REPORT {"requests": %d, "per_second": %f, "p50_ms": %f, "p99_ms": %f, "worst_ms": %f, "errors": %d}',
        summary.requests, summary.requests / summary.duration * 1e6,
        latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
