import "scoreboard-client";
import "scoreboard-client/react";
import "scoreboard-client/vue";
