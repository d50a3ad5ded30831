// [data-insert="{{ column }}"] puts its text at the caret of the field that data-target selects.
import { on } from "./bind.js";

on("click", "[data-insert]", (button) => {
  const field = document.querySelector(button.dataset.target);
  if (!field) return;
  field.focus();
  field.setRangeText(button.dataset.insert, field.selectionStart, field.selectionEnd, "end");
  field.dispatchEvent(new Event("input", { bubbles: true }));
});
