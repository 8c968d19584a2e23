import { headers, heard, installed, silenceMs, url } from "./told.mjs";

const { createEventSource } = installed("eventsource-client");
let timer;
const wound = () => (clearTimeout(timer), (timer = setTimeout(() => (source.close(), source.connect(), wound()), silenceMs)));
const source = createEventSource({
  url,
  headers,
  onMessage: ({ event, id }) => (wound(), heard(event, id)),
  onComment: () => (wound(), console.log("comment")),
});
wound();
