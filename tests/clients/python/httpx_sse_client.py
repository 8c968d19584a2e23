"""httpx-sse reads events; coming back is a loop of one's own."""

import httpx
from httpx_sse import connect_sse
from told import HEADERS, SILENCE_SECONDS, URL, gone, heard, pause

while True:
    try:
        with (
            httpx.Client(timeout=SILENCE_SECONDS, headers=HEADERS) as client,
            connect_sse(client, "GET", URL) as source,
        ):
            source.response.raise_for_status()
            for event in source.iter_sse():
                heard(event.event, event.id)
    except httpx.HTTPError as error:
        gone(error)
    pause()
