"""requests alone: its lines are read here, and coming back is a loop of one's own."""

import requests
from told import HEADERS, SILENCE_SECONDS, URL, comment, gone, heard, pause

while True:
    fields: dict[str, str] = {}
    try:
        response = requests.get(URL, headers=HEADERS, stream=True, timeout=SILENCE_SECONDS)
        response.raise_for_status()
        # By its own chunk_size of 512 bytes an event waits for the next ones.
        for line in response.iter_lines(chunk_size=1, decode_unicode=True):
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                comment()
            elif line:
                fields[name] = value
            elif "data" in fields:
                heard(fields.get("event"), fields.get("id"))
                fields = {}
    except requests.RequestException as error:
        gone(error)
    pause()
