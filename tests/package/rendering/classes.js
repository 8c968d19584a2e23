/** All that can be made where there is no page, and what is said once something is asked. */

import { Actions, PersonalClient, Places, ScoreboardClient, Session } from "scoreboard-client";

const getToken = () => null;
const session = new Session();
const board = new ScoreboardClient();
const mine = new PersonalClient({ userId: "ada", getToken });
const questions = {
  "board.start": () => board.start(),
  "mine.start": () => mine.start(),
  "session.enter": () => session.enter("login", { username: "ada", password: "of ada" }),
  "places.me": () => new Places().me(),
  "actions.list": () => new Actions().list(),
  "actions.submit": () => new Actions({ session }).submit("run"),
};
const said = { user: session.user, token: await session.token(), state: board.state.status };
for (const [name, ask] of Object.entries(questions)) {
  try {
    await ask();
  } catch (failure) {
    said[name] = String(failure);
  }
}
console.log(JSON.stringify(said));
