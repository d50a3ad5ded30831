// [data-localsave="key"] keeps what is typed in this browser until its form is sent, so a closed tab loses nothing.
import { each, on } from "./bind.js";
import { toast } from "./toasts.js";

const nameOf = (field) => `draft:${location.pathname}:${field.dataset.localsave}`;

function attempt(action) {
  try { return action(); } catch { return null; /* storage is off or full */ }
}

each("[data-localsave]", (field) => {
  const draft = attempt(() => localStorage.getItem(nameOf(field)));
  if (draft === null || draft === field.value) return;
  field.value = draft;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  toast("Your unsaved draft was restored.", "info");
});
on("input", "[data-localsave]", (field) => {
  if (field.value === field.defaultValue) attempt(() => localStorage.removeItem(nameOf(field)));
  else attempt(() => localStorage.setItem(nameOf(field), field.value));
});
function sent(form) {
  for (const field of form.querySelectorAll("[data-localsave]")) attempt(() => localStorage.removeItem(nameOf(field)));
}
on("submit", "form:not([hx-post], [hx-put], [hx-patch])", sent);
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful && event.detail.elt.matches?.("form") && event.detail.requestConfig?.verb !== "get") sent(event.detail.elt);
});
