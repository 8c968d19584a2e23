"""sseclient-py reads events from what requests fetches; coming back is a loop of one's own."""

import requests
from sseclient import SSEClient
from told import HEADERS, SILENCE_SECONDS, URL, gone, heard, pause

while True:
    try:
        response = requests.get(URL, headers=HEADERS, stream=True, timeout=SILENCE_SECONDS)
        response.raise_for_status()
        for event in SSEClient(response).events():
            heard(event.event, event.id)
    except requests.RequestException as error:
        gone(error)
    pause()
