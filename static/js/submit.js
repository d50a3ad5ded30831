// A plain form is sent once however often its button is pressed; coming back to the page makes it usable again.
// [data-submit-on-change] sends its form when the field changes; [data-enter-sends] when Enter is pressed without Shift.
import { on } from "./bind.js";

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "1";
  // A download leaves the page standing, so the form must not stay shut for good.
  setTimeout(() => delete form.dataset.sent, 4000);
});
addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));
on("change", "[data-submit-on-change]", (field) => field.form?.requestSubmit());
// On a touch keyboard Enter breaks the line: there is a button beside it.
on("keydown", "[data-enter-sends]", (field, event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || matchMedia("(pointer: coarse)").matches) return;
  event.preventDefault();
  if (field.value.trim()) field.form.requestSubmit();
});
