// a[data-dialog] shows the [data-dialog-content] of the page it leads to in the shared dialog; [data-opens="id"] opens a
// dialog of this page; [data-close] closes the one it is in; a click on the veil closes too.
import { on } from "./bind.js";

const shared = document.getElementById("dialog");

on("click", "a[data-dialog]", async (link, event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey || !shared) return;
  event.preventDefault();
  const content = document.getElementById("dialog-content");
  content.replaceChildren();
  await window.htmx.ajax("GET", link.href, { target: content, select: "[data-dialog-content]", swap: "innerHTML" });
  if (content.childElementCount) shared.showModal();
});

on("click", "[data-opens]", (button) => {
  const dialog = document.getElementById(button.dataset.opens);
  if (dialog && !dialog.open && dialog.id !== "keys") dialog.showModal();
});

on("click", "dialog [data-close]", (element, event) => {
  event.preventDefault();
  element.closest("dialog").close();
});

document.addEventListener("click", (event) => {
  if (event.target.matches?.("dialog:modal") && event.target.hasAttribute("aria-labelledby")) event.target.close();
});
