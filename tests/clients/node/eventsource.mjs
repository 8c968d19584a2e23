import { NAMES, headers, heard, installed, url } from "./told.mjs";

const { EventSource } = installed("eventsource");
const options = { fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } }) };
const source = new EventSource(url, options);
for (const name of NAMES) source.addEventListener(name, ({ lastEventId }) => heard(name, lastEventId));
