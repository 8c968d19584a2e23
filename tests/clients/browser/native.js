// The browser's own. It can send no header, and does not show comments.
export default function follow({ url, names, heard }) {
  const source = new EventSource(url);
  for (const name of names) source.addEventListener(name, ({ lastEventId }) => heard(name, lastEventId));
}
