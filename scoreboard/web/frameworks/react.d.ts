import type { DetailedHTMLProps, HTMLAttributes } from "react";
import type { Options } from "../client/scoreboard-client.js";
import type { LiveScoreboard } from "../element/live-scoreboard.js";
import type { Snapshot } from "./snapshots.js";

export type { Snapshot };

/**
 * Follow a board while the component is mounted. Where a server renders the page it answers `idle`, without a board.
 * Other options lead to another client; another `getToken` alone does not. After a log-in call `client.refresh()`.
 */
export function useScoreboard(options?: Options): Snapshot;

type Choices = Pick<LiveScoreboard, "board" | "url" | "size" | "season" | "theme" | "heading" | "level" | "lamp" | "seasons" | "fill" | "userId" | "words">;

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      /** What `scoreboard-client/element` registers. React 18 sets attributes alone. */
      "live-scoreboard": DetailedHTMLProps<HTMLAttributes<LiveScoreboard>, LiveScoreboard> & Partial<Choices>;
    }
  }
}
