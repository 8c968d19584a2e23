import { NAMES, headers, heard, installed, url } from "./told.mjs";

const { EventSource } = installed("eventsource");
const options = { fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } }) };
const source = new EventSource(url, options);
for (const name of NAMES) source.addEventListener(name, ({ lastEventId }) => heard(name, lastEventId));
source.addEventListener("error", ({ code, message }) => console.log(`gone ${source.readyState} ${code} ${message}`));
// The timer by which it comes back keeps no program alive: one that does nothing else would end in the meantime.
setInterval(() => {}, 60_000);
