// details[data-open-wide]: open where there is room, folded on a phone. What a person folds stays folded through swaps.
import { each } from "./bind.js";

const room = matchMedia("(min-width: 64rem)");
let folded = false;

each("details[data-open-wide]", (details) => {
  details.open = room.matches && !folded;
  details.querySelector("summary")?.addEventListener("click", () => { folded = details.open && room.matches; });
});
