// [data-spans] marks parts of a text: dragged over with the mouse (whole words; to the character with Alt), tapped word by word on a
// touch screen, or word by word with the arrows. A label's digit or button marks what is selected.
// Places count Unicode characters, as the server does. The plain text area beside it is what is sent.
import { each, make, on } from "./bind.js";

const widgets = new WeakMap();
export const spansOf = (question) => widgets.get(question.querySelector("[data-spans]"));
const length = (text) => [...text].length;
const LONGEST_WORD = 40; // where a script has no spaces a whole sentence is one word: there the places stay as they are

class Spans {
  constructor(root) {
    this.root = root;
    this.box = root.querySelector("[data-spans-text]");
    this.field = root.querySelector("[data-spans-lines]");
    this.nothing = root.querySelector("[data-spans-none]"); // ticked: there is nothing to mark
    this.chars = [...JSON.parse(root.dataset.text)];
    this.words = wordsOf(this.chars);
    this.colors = new Map([...root.querySelectorAll("[data-span-label]")].map((b) => [b.dataset.spanLabel, b.dataset.color]));
    this.spans = this.field.value.split("\n").map(readLine).filter((span) => span);
    this.selected = null; // [from, to) in characters
    this.former = []; // what was marked when it was said that there is nothing
    this.anchor = null; // the word where a selection by keyboard began, and where it stands
    this.render();
  }

  set(spans) {
    this.spans = spans.map((span) => ({ ...span }));
    this.nothing.checked = !spans.length;
    this.changed();
  }

  get isAnswered() {
    return this.spans.length > 0 || this.nothing.checked;
  }

  changed() {
    this.spans.sort((a, b) => a.start - b.start || a.end - b.end);
    if (this.spans.length) {
      this.nothing.checked = false;
      this.former = [];
    }
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
    // The arrows go on from here; a mouse or a finger begins anew.
    if (!this.anchor) this.selected = null;
    this.changed();
  }

  unmark(gone) {
    this.spans = this.spans.filter((span) => !gone(span));
    this.changed();
  }

  /** What is selected in the browser of this text, without the white space around it; null when that is nothing. */
  live(exact = false) {
    const selection = getSelection();
    if (!selection.rangeCount || selection.isCollapsed) return null;
    const range = selection.getRangeAt(0);
    if (!range.intersectsNode(this.box)) return null;
    // A drag may end beside the text.
    const from = this.box.contains(range.startContainer) ? this.place(range.startContainer, range.startOffset) : 0;
    const to = this.box.contains(range.endContainer) ? this.place(range.endContainer, range.endOffset) : this.chars.length;
    let [start, end] = [from, to];
    while (start < end && !this.chars[start].trim()) start += 1;
    while (end > start && !this.chars[end - 1].trim()) end -= 1;
    if (start >= end) return null;
    return exact ? [start, end] : [this.wordAt(start)?.[0] ?? start, this.wordAt(end - 1)?.[1] ?? end];
  }

  /** The word that holds this character; undefined between words. */
  wordAt(place) {
    return this.words.find(([from, to]) => from <= place && place < to && to - from <= LONGEST_WORD);
  }

  /** A tap selects a word, another one as far as that; a tap on what is selected lets go of it. */
  tap(x, y) {
    const word = this.wordAt(this.under(x, y));
    this.anchor = null;
    if (!word) return this.select(null);
    const [start, end] = this.selected ?? word;
    if (this.selected && start <= word[0] && word[1] <= end) return this.select(null);
    this.select([Math.min(start, word[0]), Math.max(end, word[1])]);
  }

  /** The character under a point of the screen; -1 for none. */
  under(x, y) {
    const caret = document.caretPositionFromPoint?.(x, y);
    const range = caret ? null : document.caretRangeFromPoint?.(x, y);
    const [node, offset] = caret ? [caret.offsetNode, caret.offset] : [range?.startContainer, range?.startOffset];
    if (!node || !this.box.contains(node)) return -1;
    const place = this.place(node, offset);
    // A caret stands between two characters: of both, the one whose box holds the point.
    return this.holds(place - 1, x) ? place - 1 : place;
  }

  holds(place, x) {
    if (place < 0) return false;
    const walker = document.createTreeWalker(this.box, NodeFilter.SHOW_TEXT);
    let left = place;
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const chars = [...node.data];
      if (left >= chars.length) { left -= chars.length; continue; }
      const range = document.createRange();
      const from = chars.slice(0, left).join("").length;
      range.setStart(node, from);
      range.setEnd(node, from + chars[left].length);
      return [...range.getClientRects()].some((box) => box.left <= x && x < box.right);
    }
    return false;
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
on("change", "[data-spans-none]", (box) => {
  const spans = widgets.get(box.closest("[data-spans]"));
  const { former, spans: now } = spans;
  if (box.checked && now.length) {
    spans.set([]);
    spans.former = now; // one key ticked it: the same brings the marks back
  } else if (!box.checked && former.length) spans.set(former);
});
let dragged = null; // the text in which the mouse went down; it may come up anywhere
on("pointerdown", "[data-spans-text]", (box, event) => {
  if (event.pointerType === "mouse") dragged = box;
});
document.addEventListener("pointerup", (event) => {
  const spans = dragged?.isConnected && widgets.get(dragged.closest("[data-spans]"));
  dragged = null;
  if (!spans) return;
  // Once the browser knows what is selected.
  setTimeout(() => {
    const part = spans.live(event.altKey);
    spans.anchor = null;
    // A click without a drag lets go of what was selected.
    if (part || spans.selected) spans.select(part);
    if (part) getSelection().removeAllRanges();
  });
});
// A long press selects as everywhere; what the handles then say counts when a label is tapped.
on("click", "[data-spans-text]", (box, event) => {
  if (event.pointerType === "mouse" || !getSelection().isCollapsed) return;
  widgets.get(box.closest("[data-spans]")).tap(event.clientX, event.clientY);
});
/** The text that keys go through: the one in focus; while nothing is, as on a record just shown, that of the marked question. */
function boxOf(target) {
  if (target !== document.body || document.querySelector("dialog:modal")) return target.closest?.("[data-spans-text]");
  return document.querySelector("[data-question].is-current [data-spans-text]");
}

document.addEventListener("keydown", (event) => {
  const box = boxOf(event.target);
  if (!box || event.altKey || event.ctrlKey || event.metaKey) return;
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
