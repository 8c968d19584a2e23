// It takes the place of a missing EventSource alone, so that one has to be missing.
export default async function follow({ url, names, heard }) {
  globalThis.EventSource = undefined;
  await import("/modules/eventsource-polyfill/dist/eventsource.js");
  const source = new globalThis.EventSource(url);
  for (const name of names) source.addEventListener(name, ({ lastEventId }) => heard(name, lastEventId));
}
