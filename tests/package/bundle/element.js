import "scoreboard-client/element";
