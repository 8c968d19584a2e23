"""The clients that are tried, in the order of the table."""

from __future__ import annotations

from tests.clients.client import Client
from tests.clients.kinds import Command, GoProgram, JavaProgram, NodeProgram, PythonProgram
from tests.clients.pages import BrowserClient
from tests.clients.proxies import CADDY, HAPROXY, NGINX, SQUID, VARNISH

_REQUESTS = "requests==2.34.2"

CLIENTS: tuple[Client, ...] = (
    BrowserClient(
        "EventSource",
        "itself",
        "no token: for what needs one, another client; a watch of your own for silence",
        sends_token=False,
        module="native",
    ),
    BrowserClient(
        "@microsoft/fetch-event-source",
        "itself",
        "`onclose` has to throw, else it stays away; `openWhenHidden: true`; shows no "
        "heartbeats, so a watch has to be longer than the board stays as it is",
        package="@microsoft/fetch-event-source",
        module="fetch-event-source",
    ),
    BrowserClient(
        "event-source-polyfill",
        "itself",
        "`headers`; `heartbeatTimeout: 37500` (two and a half heartbeats)",
        package="event-source-polyfill",
        module="event-source-polyfill",
    ),
    BrowserClient(
        "eventsource-polyfill",
        "itself",
        "only where there is no `EventSource`; `xhrHeaders` with the token and without its "
        "`X-Requested-With`, which other origins may not send; better another one: it stays away "
        "after a refused connection",
        package="eventsource-polyfill",
        module="eventsource-polyfill",
    ),
    BrowserClient(
        "reconnecting-eventsource",
        "itself",
        "goes on where `EventSource` gives up (503); `max_retry_time`",
        sends_token=False,
        package="reconnecting-eventsource",
        module="reconnecting-eventsource",
    ),
    BrowserClient(
        "sse.js",
        "itself",
        "`headers`; `autoReconnect: true`, `maxRetries: null`",
        package="sse.js",
        module="sse",
    ),
    BrowserClient(
        "extended-eventsource",
        "itself",
        "`headers`",
        package="extended-eventsource",
        module="extended-eventsource",
    ),
    NodeProgram(
        "eventsource",
        "itself",
        "a `fetch` that adds the token; a timer of your own, because its own keeps no program "
        "alive that waits to come back",
    ),
    NodeProgram(
        "eventsource-client", "itself", "`headers`; `onComment` winds a watch of your own up"
    ),
    NodeProgram("undici", "loop", "`bodyTimeout: 37500`; lines, and coming back, are your own"),
    PythonProgram(
        "httpx-sse", "loop", "`timeout=37.5` of httpx", needs=("httpx-sse==0.4.3", "httpx==0.28.1")
    ),
    PythonProgram(
        "aiohttp-sse-client2",
        "loop",
        "`ClientTimeout(total=None, sock_read=37.5)`: by aiohttp's own it ends after 5 minutes",
        needs=("aiohttp-sse-client2==0.3.0",),
    ),
    PythonProgram(
        "sseclient-py",
        "loop",
        "`requests.get(…, stream=True, timeout=37.5)`",
        needs=("sseclient-py==1.9.0", _REQUESTS),
    ),
    PythonProgram(
        "requests-sse",
        "loop",
        "`timeout=37.5`; it comes back five times by itself",
        needs=("requests-sse==0.5.3", _REQUESTS),
    ),
    PythonProgram(
        "requests",
        "loop",
        "`timeout=37.5`, `iter_lines(chunk_size=1)`: by its 512 bytes an event waits for the next",
        needs=(_REQUESTS,),
    ),
    JavaProgram(
        "java.net.http",
        "loop",
        "`timeout()` ends with the head: a watch of your own for silence",
        program="HttpClientFollower",
    ),
    JavaProgram(
        "OkHttp",
        "loop",
        "`readTimeout`",
        program="OkHttpFollower",
        archives=("okhttp", "okio"),
        package="libokhttp-java",
    ),
    JavaProgram(
        "Jersey client",
        "loop",
        "`setReadTimeout`",
        program="JerseyFollower",
        archives=("jersey1-client", "jersey1-core", "jsr311-api"),
        package="libjersey1-client-java",
    ),
    GoProgram(
        "net/http",
        "loop",
        "no `Client.Timeout`, which ends a stream that is well; a context that a timer cancels",
        program="nethttp",
    ),
    GoProgram(
        "donovanhide/eventsource",
        "itself",
        "a watch of your own for silence; without a first answer it gives up",
        program="donovanhide",
        package="golang-github-donovanhide-eventsource-dev",
    ),
    Command(
        "curl",
        "itself",
        "`-N`; `--retry 1000000 --retry-all-errors --retry-delay 3`; `--speed-time 38 "
        "--speed-limit 1`",
        arguments=(
            *("-sN", "--retry", "1000000", "--retry-all-errors", "--retry-delay", "1"),
            *("--speed-time", "2", "--speed-limit", "1"),
        ),
    ),
    Command(
        "wget",
        "loop",
        "`-O -`, `--read-timeout=38`, and `--tries=1` in a loop: by itself it comes back and then "
        "leaves out as many bytes as it had",
        arguments=("-q", "-O", "-", "--tries=1", "--read-timeout=2"),
    ),
    NGINX,
    HAPROXY,
    VARNISH,
    SQUID,
    CADDY,
)
