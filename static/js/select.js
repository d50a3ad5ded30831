// In a [data-select] form: row checkboxes [data-select-row], [data-select-all] for the page, shift for a range, the bar
// [data-bulk] with its count, [data-select-everything] for all rows that match (sets the input [data-everything] to 1),
// [data-select-none]. `x` ticks the row that has the focus or the pointer.
import { each, on } from "./bind.js";

const rows = (form) => [...form.querySelectorAll("[data-select-row]")];
const lastTicked = new WeakMap();

function refresh(form) {
  const boxes = rows(form);
  const ticked = boxes.filter((box) => box.checked).length;
  const all = form.querySelector("[data-select-all]");
  if (all) {
    all.checked = ticked > 0 && ticked === boxes.length;
    all.indeterminate = ticked > 0 && ticked < boxes.length;
  }
  const everything = form.querySelector("[data-everything]");
  const button = form.querySelector("[data-select-everything]");
  const isEverything = everything?.value === "1";
  form.querySelector("[data-bulk]")?.classList.toggle("has-selection", ticked > 0);
  const count = form.querySelector("[data-bulk-count]");
  if (count) count.textContent = isEverything ? `All ${button.dataset.total}` : String(ticked);
  // Only of use when the page is full and there is more than the page.
  if (button) button.hidden = isEverything || ticked < boxes.length || Number(button.dataset.total.replace(/\D/g, "")) <= boxes.length;
}

function setEverything(form, value) {
  const input = form.querySelector("[data-everything]");
  if (input) input.value = value;
}

function tickAll(form, checked) {
  rows(form).forEach((box) => { box.checked = checked; });
  setEverything(form, "");
  refresh(form);
}

each("[data-select]", refresh);
// A swap of the rows alone leaves the form, whose count must follow.
document.addEventListener("htmx:afterSettle", (event) => {
  const form = event.detail.elt.closest?.("[data-select]") ?? event.detail.elt.querySelector?.("[data-select]");
  if (form) refresh(form);
});

on("click", "[data-select-row]", (box, event) => {
  const form = box.closest("[data-select]");
  if (!form) return;
  const boxes = rows(form);
  const from = boxes.indexOf(lastTicked.get(form));
  if (event.shiftKey && from >= 0) {
    const to = boxes.indexOf(box);
    boxes.slice(Math.min(from, to), Math.max(from, to) + 1).forEach((other) => { other.checked = box.checked; });
  }
  lastTicked.set(form, box);
  setEverything(form, "");
  refresh(form);
});
on("change", "[data-select-all]", (box) => tickAll(box.closest("[data-select]"), box.checked));
on("click", "[data-select-none]", (button) => tickAll(button.closest("[data-select]"), false));
on("click", "[data-select-everything]", (button) => {
  const form = button.closest("[data-select]");
  setEverything(form, "1");
  refresh(form);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "x" || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=checkbox]), textarea, select")) return;
  const row = event.target.closest("[data-select] tr") ?? document.querySelector("[data-select] tbody tr:hover");
  row?.querySelector("[data-select-row]")?.click();
});
