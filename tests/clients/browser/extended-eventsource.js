import { EventSource as ExtendedEventSource } from "/modules/extended-eventsource/dist/index.esm.js";

export default function follow({ url, headers, names, heard }) {
  const source = new ExtendedEventSource(url, { headers, retry: 500 });
  for (const name of names) source.addEventListener(name, ({ lastEventId }) => heard(name, lastEventId));
}
