import { SSE } from "/modules/sse.js/lib/sse.js";

export default function follow({ url, headers, names, heard }) {
  const source = new SSE(url, { headers, autoReconnect: true, reconnectDelay: 500, maxRetries: null });
  for (const name of names) source.addEventListener(name, ({ id }) => heard(name, id));
}
