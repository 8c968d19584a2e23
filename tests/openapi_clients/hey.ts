// Plays against a service by the client that @hey-api/openapi-ts makes of the document, and writes
// what it got to know.
import { client } from "./hey/client.gen.js";
import { followBoard, listActions, listEntries, readMyPlace, submitAction } from "./hey/index.js";

declare const process: { argv: string[]; exit(code: number): never };
const [baseUrl, token] = process.argv.slice(2) as [string, string];
client.setConfig({ baseUrl, auth: token });

const path = { board: "main" };
const stream = await followBoard({ path });
const shown = stream.stream[Symbol.asyncIterator]();
await shown.next(); // connected
await shown.next(); // the board as it is

const listed = await listActions({ query: { limit: 1 }, throwOnError: true });
const after = listed.data.next;
const rest = await listActions({ query: after === null ? {} : { after }, throwOnError: true });
const granted = await submitAction({ body: { actionId: "run" }, throwOnError: true });
const again = await submitAction({ body: { actionId: "run" } });
const mine = await readMyPlace({ path, throwOnError: true });
const me = mine.data.data.place?.userId ?? "";
const found = await listEntries({
  path,
  query: { users: `${me},${me.toUpperCase()}` },
  throwOnError: true,
});
const told: unknown = (await shown.next()).value;

console.log(
  JSON.stringify({
    actions: [...listed.data.data, ...rest.data.data].map((action) => action.actionId),
    score: granted.data.data.score,
    isOk: granted.data.success,
    again: again.error?.code,
    points: again.error?.grant?.points,
    rank: mine.data.data.place?.rank,
    found: found.data.data.map((line) => line.username),
    told,
  }),
);
process.exit(0); // the client would open its stream again
