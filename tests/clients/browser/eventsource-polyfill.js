// It takes the place of a missing EventSource alone, so that one has to be missing; and it is a plain script, no module.
export default async function follow({ url, names, heard }) {
  globalThis.EventSource = undefined;
  const script = Object.assign(document.createElement("script"), { src: "/modules/eventsource-polyfill/dist/eventsource.js" });
  document.head.append(script);
  await new Promise((resolve) => (script.onload = resolve));
  const source = new globalThis.EventSource(url);
  for (const name of names) source.addEventListener(name, ({ lastEventId }) => heard(name, lastEventId));
}
