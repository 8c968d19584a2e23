/** A program of Node that follows a board, logs in and submits. It is told what to do by lines of JSON, `{ask, with}`,
 *  answers each by one, and says what it hears of the board. */

import { createInterface } from "node:readline";
import { Actions, PersonalClient, ScoreboardClient, Session } from "scoreboard-client";

const say = (line) => console.log(JSON.stringify(line));
const url = process.env.SERVICE;
const kept = new Map();
const storage = {
  getItem: (key) => kept.get(key) ?? null,
  setItem: (key, text) => kept.set(key, text),
  removeItem: (key) => kept.delete(key),
};
const session = new Session({ url });
const actions = new Actions({ session, patienceSeconds: 20 });
const client = new ScoreboardClient({ url, pollSeconds: 0.2, retrySeconds: 0.2, retryMaxSeconds: 0.5, pulseSeconds: 1 });
client.addEventListener("board", ({ detail }) => say({ version: detail.version }));
client.addEventListener("state", ({ detail }) => say({ status: detail.status }));
session.addEventListener("change", () => say({ user: session.user?.username ?? null }));

const lines = createInterface({ input: process.stdin });
const questions = {
  start: () => client.start() && null,
  stop: () => client.stop(),
  end: () => lines.close(),
  enter: (how, fields) => session.enter(how, fields),
  leave: () => session.logOut(),
  token: () => session.token(),
  submit: (actionId) => actions.submit(actionId),
  submitBy: (actionId, token) => new Actions({ url, getToken: () => token }).submit(actionId),
  submitBriefly: (actionId) => new Actions({ session, patienceSeconds: 0 }).submit(actionId),
  submitAndAbort: (actionId) => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("no longer wanted")), 50);
    return actions.submit(actionId, controller);
  },
  follow: async () => {
    const getToken = (rejected) => session.token(rejected);
    const mine = new PersonalClient({ url, userId: session.user.userId, getToken });
    mine.addEventListener("granted", ({ detail }) => say({ granted: detail.points }));
    mine.addEventListener("state", ({ detail }) => say({ status: detail.status }));
    mine.start();
  },
  list: () => actions.list({ limit: 1 }),
  keep: async (fields) => {
    await new Session({ url, storage }).enter("login", fields);
    const another = "https://scores.example.org/game/api/leaderboard";
    const later = new Session({ url, storage });
    return [later.user.username, await later.token(), new Session({ url: another, storage }).user, [...kept.keys()]];
  },
};

for await (const line of lines) {
  const { ask, with: values } = JSON.parse(line);
  try {
    say({ answer: (await questions[ask](...values)) ?? null });
  } catch ({ name, message, code, status, grant }) {
    say({ failure: { name, message, code, status, grant } });
  }
}
