import ReconnectingEventSource from "/modules/reconnecting-eventsource/build/esm/reconnecting-eventsource.js";

export default function follow({ url, names, heard }) {
  const source = new ReconnectingEventSource(url, { max_retry_time: 1000 });
  for (const name of names) source.addEventListener(name, ({ lastEventId }) => heard(name, lastEventId));
}
