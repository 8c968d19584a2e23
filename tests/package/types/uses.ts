/** Everything that the package exports, used once as its manual says. It is compiled and never run. */

import {
  Actions,
  FINAL_SIZE,
  MAIN,
  PersonalClient,
  Places,
  Refused,
  ScoreboardClient,
  Session,
  VERSION,
  isOver,
  type Action,
  type Board,
  type Ended,
  type Entry,
  type Grant,
  type NewGrant,
  type OwnPlace,
  type Page,
  type Place,
  type Reason,
  type Season,
  type State,
  type Status,
  type Surroundings,
  type User,
} from "scoreboard-client";
import { useScoreboard, type Snapshot } from "scoreboard-client/react";
import { useScoreboard as useInVue } from "scoreboard-client/vue";
import { ref, type ComputedRef } from "vue";

type Same<One, Other> = [One] extends [Other] ? ([Other] extends [One] ? true : false) : false;
const same = <One, Other>(_: Same<One, Other>): void => undefined;

export const [version, main, size]: [string, string, number] = [VERSION, MAIN, FINAL_SIZE];

const session = new Session({ url: "https://scores.example.org", storage: sessionStorage, spareSeconds: 5 });
same<Session["user"], User | null>(true);
const getToken = (rejected: string | null): Promise<string | null> => session.token(rejected);

export const client: ScoreboardClient = new ScoreboardClient({ url: session.url, board: "weekly", getToken }).start();
client.addEventListener("board", ({ detail }) => same<typeof detail, Board>(true));
client.addEventListener("state", ({ detail }) => same<typeof detail, State>(true));
client.addEventListener("season:ended", ({ detail }) => same<typeof detail, Ended>(true));
client.addEventListener("season:started", ({ detail }) => same<typeof detail.season, Season>(true));
client.addEventListener("board", () => client.refresh(), { once: true });
same<State["status"], Status>(true);
same<State["reason"], Reason>(true);
same<Board["entries"], readonly Entry[]>(true);
// @ts-expect-error boards are frozen
if (client.board) client.board.version = 1;
// @ts-expect-error there is no such option
new ScoreboardClient({ pollsSeconds: 1 });
// @ts-expect-error whose places they are has to be said
new PersonalClient({ getToken });

export const mine = new PersonalClient({ boards: [MAIN], userId: session.user?.userId ?? "", getToken }).start();
mine.addEventListener("place", ({ detail }) => same<typeof detail, OwnPlace>(true));
mine.addEventListener("overtaken", ({ detail }) => detail.by.map(({ username }) => username));
mine.addEventListener("granted", ({ detail }) => detail.grants.map(({ points }) => points));

export async function play(): Promise<void> {
  await session.enter("register", { username: "ada", email: "ada@example.org", password: "of ada" });
  await session.enter("login", { username: "ada", password: "of ada" });
  // @ts-expect-error who registers has an e-mail address
  await session.enter("register", { username: "ada", password: "of ada" });
  const places = new Places({ board: "weekly", season: 3, getToken });
  same<Surroundings, Awaited<ReturnType<typeof places.me>>>(true);
  same<Page, Awaited<ReturnType<typeof places.entries>>>(true);
  const page = await places.entries({ rank: 100, limit: 50 });
  same<(typeof page.entries)[number], Place>(true);

  const actions = new Actions({ session, patienceSeconds: 60 });
  for (let next: string | null = ""; next !== null; ) {
    const list: { actions: readonly Action[]; next: string | null } = await actions.list({ after: next, limit: 100 });
    next = list.next;
  }
  const { grants } = await actions.grants();
  same<(typeof grants)[number], Grant>(true);
  try {
    const granted = await actions.submit("run", { signal: AbortSignal.timeout(5000) });
    same<typeof granted, NewGrant>(true);
  } catch (failure) {
    if (failure instanceof Refused && failure.code === "already_granted") console.log(failure.grant?.grantedAt);
  }
  const ended = await client.readSeason(3);
  console.log(ended && isOver(ended.season), await session.call("api/me"));
  session.addEventListener("change", () => session.close());
  await session.changePassword({ currentPassword: "of ada", newPassword: "of bob" });
  await session.logOutEverywhere();
}

export function InReact(): string {
  const seen = useScoreboard({ url: "https://scores.example.org", getToken: null });
  same<typeof seen, Snapshot>(true);
  return seen.board?.entries[0]?.username ?? seen.state.status;
}

export function inVue(): string {
  const { board, state } = useInVue(ref({ board: "weekly" }));
  same<typeof board, ComputedRef<Board | null>>(true);
  useInVue();
  useInVue(() => ({ url: "https://scores.example.org" }));
  return board.value?.boardId ?? state.value.status;
}
