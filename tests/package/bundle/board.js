import { ScoreboardClient } from "scoreboard-client";

new ScoreboardClient({ url: "https://scores.example.org" }).start();
