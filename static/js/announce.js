// [data-announce] is spoken once when its words change, however often its element is swapped by a poll.
import { each } from "./bind.js";

const said = new Map();

each("[data-announce]", (element) => {
  const words = element.dataset.announce;
  const before = said.get(element.id);
  said.set(element.id, words);
  // Nothing is said of what the page already showed when it opened.
  if (before === undefined || before === words) return;
  const announcer = document.getElementById("announcer");
  if (announcer) announcer.textContent = words;
});
