// Text areas grow with their text. CSS field-sizing does it where it exists; this is for the browsers without.
import { each, on } from "./bind.js";

if (!CSS.supports("field-sizing", "content")) {
  const grow = (area) => {
    area.style.height = "auto";
    area.style.height = `${area.scrollHeight + 2}px`;
  };
  each("textarea", grow);
  on("input", "textarea", grow);
}
