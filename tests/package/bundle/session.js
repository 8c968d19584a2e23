import { Session } from "scoreboard-client";

new Session({ url: "https://scores.example.org" }).token();
