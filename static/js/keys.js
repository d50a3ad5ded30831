// [data-key="j"] clicks or focuses its element; "g 1" is g and then 1; "mod+enter" is Ctrl or Cmd with Enter and works while
// typing. [data-key-also] is a second key for the same. [data-key-label] is its line in the help that `?` opens. `/` focuses [data-search]. Escape leaves a field.
import { make } from "./bind.js";

const help = document.getElementById("keys");
let first = "";
let forget = 0;

const isTyping = (element) =>
  element.isContentEditable || element.matches("textarea, select, input:not([type=checkbox], [type=radio], [type=button], [type=submit], [type=file])");

// In a modal dialog only its own keys count.
const scope = () => document.querySelector("dialog:modal") ?? document;
const isThere = (element) => element.checkVisibility?.() ?? element.getClientRects().length > 0;

function find(key) {
  const name = CSS.escape(key);
  const found = [...scope().querySelectorAll(`[data-key="${name}"], [data-key-also="${name}"]`)];
  return found.find((element) => isThere(element) && !element.disabled) ?? null;
}

const starts = (key) => [...scope().querySelectorAll("[data-key]")].some((element) => element.dataset.key.startsWith(`${key} `));

function use(element) {
  if (element.matches("input:not([type=checkbox], [type=radio]), textarea, select")) element.focus();
  else element.click();
}

function nameOf(event) {
  const key = event.key.length === 1 ? event.key : event.key.toLowerCase();
  return event.ctrlKey || event.metaKey ? `mod+${key.toLowerCase()}` : key;
}

function words(key) {
  const mod = navigator.platform.startsWith("Mac") ? "⌘" : "Ctrl";
  return key.split(/[ +]/).map((part) => ({ mod, enter: "Enter", arrowup: "↑", arrowdown: "↓", arrowleft: "←", arrowright: "→" })[part] ?? part);
}

function openHelp() {
  const lines = new Map([["?", "These keys"]]);
  if (document.querySelector("[data-search]")) lines.set("/", "Search");
  for (const element of document.querySelectorAll("[data-key][data-key-label]")) {
    if (!lines.has(element.dataset.key)) lines.set(element.dataset.key, element.dataset.keyLabel);
  }
  const items = [...lines].map(([key, label]) => {
    const combo = make("span", { className: "combo" }, ...words(key).map((part) => make("kbd", { textContent: part })));
    return make("li", {}, make("span", { textContent: label }), combo);
  });
  help.querySelector("[data-keys-list]").replaceChildren(...items);
  help.showModal();
  help.scrollTop = 0; // Close has the focus, and a long list was scrolled down to it
}

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.isComposing || event.defaultPrevented || event.key === undefined) return;
  const key = nameOf(event);
  const typing = isTyping(event.target);
  if (typing && key === "escape") {
    // The browser would empty a search field as well, and the list would go on showing what was in it.
    if (event.target.type === "search") event.preventDefault();
    return event.target.blur();
  }
  // While typing, Ctrl+Z and its like are the field's.
  if (typing && key !== "mod+enter" && key !== "mod+s") return;

  const whole = first ? `${first} ${key}` : key;
  first = "";
  const element = find(whole);
  if (element) {
    event.preventDefault();
    return use(element);
  }
  if (starts(whole)) {
    first = whole;
    clearTimeout(forget);
    forget = setTimeout(() => { first = ""; }, 1200);
  } else if (key === "?" && help && !help.open) {
    event.preventDefault();
    openHelp();
  } else if (key === "/") {
    const search = scope().querySelector("[data-search]");
    if (search) {
      event.preventDefault();
      search.focus();
      search.select();
    }
  }
});

document.addEventListener("click", (event) => {
  if (event.target.closest('[data-opens="keys"]')) openHelp();
});
