// A turn that is being answered comes into view; a conversation opens at its last turn.
import { each } from "./bind.js";

let opened = false;

each(".turn", (turn) => {
  if (opened && turn.querySelector("[data-stream]")) turn.scrollIntoView({ block: "start" });
});
if (!location.hash) {
  const turns = document.querySelectorAll(".turn");
  if (turns.length > 1) turns[turns.length - 1].scrollIntoView({ block: "start" });
}
opened = true;
