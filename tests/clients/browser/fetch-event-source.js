import { fetchEventSource } from "/modules/@microsoft/fetch-event-source/lib/esm/index.js";

export default function follow({ url, headers, silenceMs, heard, gone }) {
  let line;
  let timer;
  const wound = () => {
    clearTimeout(timer);
    timer = setTimeout(() => (line.abort(), begin()), silenceMs);
  };
  // It shows no comments, so this is a watch for events alone: it has to be longer than a board stays as it is.
  function begin() {
    line = new AbortController();
    wound();
    fetchEventSource(url, {
      headers,
      signal: line.signal,
      openWhenHidden: true,
      onmessage: ({ event, id }) => (event && wound(), event && heard(event, id)),
      onclose() {
        throw new Error("the server ended it"); // else it does not come back
      },
      onerror: (failure) => (gone(failure.message), 500),
    });
  }
  begin();
}
