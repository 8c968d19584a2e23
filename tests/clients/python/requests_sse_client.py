"""requests-sse comes back by itself, some times; then a loop of one's own has to."""

import requests
from requests_sse import EventSource
from told import HEADERS, SILENCE_SECONDS, URL, gone, heard, pause

while True:
    try:
        with EventSource(URL, headers=dict(HEADERS), timeout=SILENCE_SECONDS) as source:
            for event in source:
                heard(event.type, event.last_event_id)
    except requests.RequestException as error:
        gone(error)
    pause()
