import "/modules/event-source-polyfill/src/eventsource.js";

export default function follow({ url, names, headers, silenceMs, heard }) {
  const source = new globalThis.EventSourcePolyfill(url, { headers, heartbeatTimeout: silenceMs });
  for (const name of names) source.addEventListener(name, ({ lastEventId }) => heard(name, lastEventId));
}
