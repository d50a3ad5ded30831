// [data-complete="url"], an input or a text area: a combobox. The words up to the caret go to the address, which answers what they may become;
// arrows choose, Enter or Tab takes, Escape closes. Nothing is chosen until an arrow says so, so Enter searches as ever.
import { each, make } from "./bind.js";

const WAIT = 120;
const MOST = 400; // characters before the caret that are sent
let made = 0;

each("[data-complete]", (input) => {
  const list = make("ul", { className: "completions", id: `completions-${made += 1}`, role: "listbox", hidden: true });
  list.setAttribute("aria-label", "Completions");
  input.closest("label").after(list);
  // A text area keeps its own role: many lines are no combobox, and no other role may be expanded.
  const isBox = input.matches("input");
  const expanded = (open) => isBox && input.setAttribute("aria-expanded", String(open));
  if (isBox) input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-controls", list.id);
  expanded(false);
  let items = [], chosen = -1, timer = 0, asked = 0, sentFrom = 0;

  function close() {
    clearTimeout(timer);
    asked += 1;
    items = [];
    show();
  }

  function show() {
    chosen = -1;
    list.replaceChildren(...items.map((item, place) => {
      const option = make("li", { id: `${list.id}-${place}`, role: "option" },
        make("span", { textContent: item.text }), make("span", { className: "muted", textContent: item.note }));
      option.setAttribute("aria-selected", "false");
      // On press, for a click would take the focus away and close the list first.
      option.addEventListener("mousedown", (event) => { event.preventDefault(); take(place); });
      return option;
    }));
    list.hidden = items.length === 0;
    list.style.setProperty("--from", `${input.closest("label").offsetLeft}px`);
    expanded(items.length > 0);
    input.removeAttribute("aria-activedescendant");
  }

  function choose(place) {
    chosen = (place + items.length) % items.length;
    [...list.children].forEach((option, at) => option.setAttribute("aria-selected", String(at === chosen)));
    input.setAttribute("aria-activedescendant", list.children[chosen].id);
    list.children[chosen].scrollIntoView({ block: "nearest" });
  }

  function take(place) {
    const { text } = items[place];
    const start = sentFrom + items[place].start;
    const caret = input.selectionStart ?? input.value.length;
    const open = text.endsWith(":");
    const taken = input.value.slice(0, start) + text + (open ? "" : " ");
    input.value = taken + input.value.slice(caret).trimStart();
    input.setSelectionRange(taken.length, taken.length);
    close();
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  async function ask() {
    const mine = asked += 1;
    const caret = input.selectionStart ?? input.value.length;
    const from = Math.max(0, caret - MOST);
    const typed = input.value.slice(from, caret);
    try {
      const answer = await fetch(`${input.dataset.complete}?${new URLSearchParams({ q: typed })}`, { headers: { accept: "application/json" } });
      if (!answer.ok || mine !== asked || document.activeElement !== input) return;
      sentFrom = from;
      items = (await answer.json()).items;
      show();
    } catch (error) {
      if (mine === asked) close(); // offline: searching still works when the server does
      console.warn("No completion:", error);
    }
  }

  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, WAIT); });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") choose(event.key === "ArrowDown" ? chosen + 1 : chosen < 0 ? -1 : chosen - 1);
    else if ((event.key === "Enter" || event.key === "Tab") && chosen >= 0) take(chosen);
    else if (event.key === "Escape") close();
    else { if (event.key === "Enter") close(); return; }
    event.preventDefault();
    event.stopPropagation();
  });
});
