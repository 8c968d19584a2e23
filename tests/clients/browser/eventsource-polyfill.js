// It takes the place of a missing EventSource alone, so that one has to be missing; and it is a plain script, no module.
export default async function follow({ url, names, headers, silenceMs, heard }) {
  globalThis.EventSource = undefined;
  const script = Object.assign(document.createElement("script"), { src: "/modules/eventsource-polyfill/dist/eventsource.js" });
  document.head.append(script);
  await new Promise((resolve) => (script.onload = resolve));
  // By default it sends X-Requested-With, which pages of other origins may not.
  const xhrHeaders = { Accept: "text/event-stream", "Cache-Control": "no-cache", ...headers };
  const source = new globalThis.EventSource(url, { xhrHeaders, silentTimeout: silenceMs });
  for (const name of names) source.addEventListener(name, ({ lastEventId }) => heard(name, lastEventId));
}
