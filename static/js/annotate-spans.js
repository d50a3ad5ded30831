// [data-spans] marks parts of a text: by mouse, or word by word with the arrows; a label's digit or button marks what is selected.
// Places count Unicode characters, as the server does. The plain text area beside it is what is sent.
import { each, make, on } from "./bind.js";

const widgets = new WeakMap();
export const spansOf = (question) => widgets.get(question.querySelector("[data-spans]"));
const length = (text) => [...text].length;

class Spans {
  constructor(root) {
    this.root = root;
    this.box = root.querySelector("[data-spans-text]");
    this.field = root.querySelector("[data-spans-lines]");
    this.chars = [...JSON.parse(root.dataset.text)];
    this.words = wordsOf(this.chars);
    this.colors = new Map([...root.querySelectorAll("[data-span-label]")].map((b) => [b.dataset.spanLabel, b.dataset.color]));
    this.spans = this.field.value.split("\n").map(readLine).filter((span) => span);
    this.selected = null; // [from, to) in characters
    this.anchor = null; // the word where a selection by keyboard began, and where it stands
    this.render();
  }

  set(spans) {
    this.spans = spans.map((span) => ({ ...span }));
    this.changed();
  }

  changed() {
    this.spans.sort((a, b) => a.start - b.start || a.end - b.end);
    this.field.value = this.spans.map((span) => `${span.start} ${span.end} ${span.label}`).join("\n");
    this.render();
    this.field.dispatchEvent(new Event("change", { bubbles: true }));
  }

  mark(label) {
    const part = this.live() ?? this.selected;
    if (!part) return this.box.focus();
    const [start, end] = part;
    const same = (span) => span.start === start && span.end === end && span.label === label;
    this.spans = this.spans.some(same) ? this.spans.filter((span) => !same(span)) : [...this.spans, { start, end, label }];
    getSelection().removeAllRanges();
    this.changed();
  }

  unmark(gone) {
    this.spans = this.spans.filter((span) => !gone(span));
    this.changed();
  }

  /** What is selected in the browser, without the white space around it; null when that is nothing of this text. */
  live() {
    const selection = getSelection();
    if (!selection.rangeCount || selection.isCollapsed) return null;
    const range = selection.getRangeAt(0);
    if (!this.box.contains(range.startContainer) || !this.box.contains(range.endContainer)) return null;
    let [start, end] = [this.place(range.startContainer, range.startOffset), this.place(range.endContainer, range.endOffset)];
    while (start < end && !this.chars[start].trim()) start += 1;
    while (end > start && !this.chars[end - 1].trim()) end -= 1;
    return start < end ? [start, end] : null;
  }

  place(node, offset) {
    const range = document.createRange();
    range.setStart(this.box, 0);
    range.setEnd(node, offset);
    return length(range.toString());
  }

  /** Select by words: to the next or the one before, or with `extend` as far as that. */
  step(by, extend) {
    if (!this.words.length) return;
    const [from, to] = this.anchor ?? [by > 0 ? -1 : this.words.length, by > 0 ? -1 : this.words.length];
    const next = Math.min(Math.max(to + by, 0), this.words.length - 1);
    this.anchor = extend && from >= 0 && from < this.words.length ? [from, next] : [next, next];
    const [first, last] = [Math.min(...this.anchor), Math.max(...this.anchor)];
    this.select([this.words[first][0], this.words[last][1]]);
    this.box.querySelector(".is-selected")?.scrollIntoView({ block: "nearest" });
  }

  select(part) {
    this.selected = part;
    this.render();
  }

  render() {
    const cuts = new Set([0, this.chars.length, ...this.spans.flatMap((span) => [span.start, span.end]), ...(this.selected ?? [])]);
    const places = [...cuts].filter((n) => n <= this.chars.length).sort((a, b) => a - b);
    this.box.replaceChildren(...places.slice(1).map((end, n) => this.piece(places[n], end)));
    this.list();
  }

  piece(start, end) {
    const text = this.chars.slice(start, end).join("");
    const over = this.spans.filter((span) => span.start <= start && span.end >= end);
    const isSelected = this.selected && this.selected[0] <= start && this.selected[1] >= end;
    if (!over.length && !isSelected) return document.createTextNode(text);
    const part = make(over.length ? "mark" : "span", { textContent: text, className: isSelected ? "is-selected" : "" });
    if (over.length) part.dataset.color = this.colors.get(over[0].label) ?? "grey";
    const closed = over.filter((span) => span.end === end);
    if (closed.length) part.dataset.label = closed.map((span) => span.label).join(", ");
    part.dataset.start = start;
    return part;
  }

  list() {
    const items = this.spans.map((span) => {
      const words = this.chars.slice(span.start, span.end).join("");
      const close = make("button", { type: "button", className: "link-button", textContent: "remove", ariaLabel: `Remove ${span.label}: ${words.slice(0, 60)}` });
      close.addEventListener("click", () => this.unmark((other) => other === span));
      const label = make("b", { textContent: span.label });
      return make("li", {}, label, ` ${words.length > 80 ? `${words.slice(0, 80)}…` : words} `, close);
    });
    this.root.querySelector("[data-spans-list]").replaceChildren(...items);
  }
}

function readLine(line) {
  const found = /^(\d+) (\d+) (.+)$/.exec(line.trim());
  return found && { start: Number(found[1]), end: Number(found[2]), label: found[3] };
}

/** [from, to) of every word, in characters. */
function wordsOf(chars) {
  const words = [];
  let start = -1;
  chars.forEach((char, n) => {
    const inside = /[\p{L}\p{N}\p{M}_'’-]/u.test(char);
    if (inside && start < 0) start = n;
    if (!inside && start >= 0) { words.push([start, n]); start = -1; }
    if (!inside && char.trim()) words.push([n, n + 1]);
  });
  if (start >= 0) words.push([start, chars.length]);
  return words;
}

each("[data-spans]", (root) => widgets.set(root, new Spans(root)));
on("click", "[data-span-label]", (button) => widgets.get(button.closest("[data-spans]")).mark(button.dataset.spanLabel));
on("pointerup", "[data-spans-text]", (box) => {
  const spans = widgets.get(box.closest("[data-spans]"));
  // Once the browser knows what is selected.
  setTimeout(() => {
    const part = spans.live();
    if (part) { spans.anchor = null; spans.select(part); }
  });
});
on("keydown", "[data-spans-text]", (box, event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const spans = widgets.get(box.closest("[data-spans]"));
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (by) spans.step(by, event.shiftKey);
  else if ((event.key === "Delete" || event.key === "Backspace") && spans.selected) {
    const [start, end] = spans.selected;
    spans.unmark((span) => span.start < end && span.end > start);
  } else if (event.key === "Escape" && spans.selected) { spans.anchor = null; spans.select(null); }
  else return;
  event.preventDefault();
});
