// Plays against a service by types that openapi-typescript makes of the document, and writes what
// it got to know. Whatever the types do not allow keeps it from being compiled.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

declare const process: { argv: string[] };
const [baseUrl, token] = process.argv.slice(2) as [string, string];

const client = createClient<paths>({
  baseUrl,
  headers: { Authorization: `Bearer ${token}` },
});

function of<T>(answer: { data?: T; error?: unknown }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

const listed = of(await client.GET("/api/actions", { params: { query: { limit: 1 } } }));
const after: string | null = listed.next;
const rest = of(
  await client.GET("/api/actions", { params: { query: after === null ? {} : { after } } }),
);

const granted = of(await client.POST("/api/actions", { body: { actionId: "run" } }));
const score: number = granted.data.score;
const again = await client.POST("/api/actions", { body: { actionId: "run" } });
const failure: components["schemas"]["Failure"] | undefined = again.error;
const isOk: true = granted.success;

const board = { board: "main" };
const mine = of(await client.GET("/api/boards/{board}/me", { params: { path: board } }));
const place: components["schemas"]["OwnPlace"] | null = mine.data.place;
const me = place?.userId ?? "";
const found = of(
  await client.GET("/api/boards/{board}/entries", {
    params: { path: board, query: { users: `${me},${me.toUpperCase()}` } },
  }),
);
const known = await client.GET("/api/boards/{board}/leaderboard", { params: { path: board } });
const unchanged = await client.GET("/api/boards/{board}/leaderboard", {
  params: { path: board, header: { "If-None-Match": known.response.headers.get("ETag") ?? "" } },
});

// @ts-expect-error: there is no such action id, because it is no text
client.POST.length > 9 && (await client.POST("/api/actions", { body: { actionId: 7 } }));
// @ts-expect-error: there is no such parameter
client.GET.length > 9 && (await client.GET("/api/actions", { params: { query: { limt: 1 } } }));

console.log(
  JSON.stringify({
    actions: [...listed.data, ...rest.data].map((action) => action.actionId),
    score,
    isOk,
    again: failure?.code,
    points: failure?.grant?.points,
    rank: place?.rank,
    found: found.data.map((line) => line.username),
    unchanged: unchanged.response.status,
  }),
);
