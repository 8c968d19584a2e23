import { createSSRApp, h } from "vue";
import { renderToString } from "@vue/server-renderer";
import { useScoreboard } from "scoreboard-client/vue";

const Board = {
  setup() {
    const { board, state } = useScoreboard();
    return () => h("p", `${state.value.status} ${board.value}`);
  },
};

console.log(await renderToString(createSSRApp(Board)));
