// Toasts leave by themselves unless they warn; failed htmx requests become one. Other code: toast("Saved.", "success"), or
// the server's header HX-Trigger: {"toast": {"text": "Saved.", "level": "success"}}.
import { each, icon, make, on } from "./bind.js";

const STAY = { success: 6000, info: 6000, warning: 12000 };
const UNDO_STAY = 12000;
const ICONS = { success: "check", warning: "warn", error: "warn" };

/** Shows a sentence; level is success, info, warning or error. */
export function toast(text, level = "info") {
  const close = make("button", { className: "button ghost small icon-only", type: "button", ariaLabel: "Close" }, icon("close"));
  close.dataset.dismiss = ".toast";
  const item = make("div", { className: "toast" }, icon(ICONS[level] ?? "info"), make("span", { className: "toast-text", textContent: text }), close);
  item.dataset.level = level;
  region()?.append(item);
  begin(item);
}

const region = () => document.getElementById("toasts");
const started = new WeakSet();

function begin(item) {
  if (started.has(item)) return;
  started.add(item);
  lift();
  const stay = item.querySelector("form") ? UNDO_STAY : STAY[item.dataset.level];
  if (!stay) return;
  let timer = setTimeout(() => dismiss(item), stay);
  const hold = () => clearTimeout(timer);
  const resume = () => { hold(); timer = setTimeout(() => dismiss(item), stay); };
  item.addEventListener("pointerenter", hold);
  item.addEventListener("focusin", hold);
  item.addEventListener("pointerleave", resume);
  item.addEventListener("focusout", resume);
}

function dismiss(item) {
  item.remove();
  const all = region();
  if (all && !all.childElementCount && all.matches(":popover-open")) all.hidePopover();
}

// The region goes to the top layer again for each toast, so it is above a dialog opened meanwhile.
function lift() {
  const all = region();
  if (!all?.showPopover) return;
  if (all.matches(":popover-open")) all.hidePopover();
  all.showPopover();
}

/** The sentence in an error answer: a toast or a heading of a page, the detail of JSON, or the plain text. */
function sentence(xhr) {
  const type = xhr.getResponseHeader("content-type") ?? "";
  if (type.includes("json")) {
    try { return JSON.parse(xhr.responseText).detail; } catch { return ""; }
  }
  if (!type.includes("html")) return xhr.responseText.slice(0, 300);
  const page = new DOMParser().parseFromString(xhr.responseText, "text/html");
  return (page.querySelector(".toast-text") ?? page.querySelector("h1, p"))?.textContent.trim().slice(0, 300);
}

each(".toast", begin);
on("click", "[data-dismiss]", (button) => {
  const item = button.closest(button.dataset.dismiss);
  if (item) dismiss(item);
});
document.addEventListener("toast", (event) => toast(event.detail.text ?? event.detail.value, event.detail.level));
document.addEventListener("htmx:responseError", (event) => {
  const { xhr, elt } = event.detail;
  // A poll that fails once will be tried again in a second: no reason to alarm anybody.
  if (elt.getAttribute("hx-trigger")?.includes("every")) return;
  toast(sentence(xhr) || `The server answered ${xhr.status}. Try again.`, "error");
});
document.addEventListener("htmx:sendError", (event) => {
  if (event.detail.requestConfig?.verb !== "get") toast("The server cannot be reached. Nothing was changed; try again in a moment.", "error");
});
