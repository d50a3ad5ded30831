// The questions beside a record: one is the current one. Digits choose in it, arrows go on, t takes what is suggested, / searches
// its labels, Enter submits.
import { each, on } from "./bind.js";
import { spansOf } from "./annotate-spans.js";

// What is folded away is no question now.
const isThere = (element) => element.checkVisibility?.() ?? element.getClientRects().length > 0;
const all = (task = document.querySelector("[data-annotate-place] > [data-task]")) => [...(task?.querySelectorAll("[data-question]") ?? [])].filter((one) => !task.isConnected || isThere(one));
const marked = () => document.querySelector("[data-question].is-current");

/** Makes a question the current one: only its options have keys. */
function mark(question, { reveal = true } = {}) {
  for (const other of all()) {
    const here = other === question;
    other.classList.toggle("is-current", here);
    for (const option of other.querySelectorAll("[data-option]")) key(option, here && option.dataset.digit, option.textContent.trim().replace(/\s*\d$/, ""));
    key(other.querySelector("[data-take]"), here && "t", "Accept the suggestion");
    key(other.querySelector("[data-write]"), here && "e", "Write");
    other.querySelector("[data-label-filter]")?.toggleAttribute("data-search", here);
  }
  if (reveal) question?.scrollIntoView({ block: "nearest" });
}

function key(element, name, label) {
  if (!element) return;
  if (name) Object.assign(element.dataset, { key: name, keyLabel: label });
  else { delete element.dataset.key; delete element.dataset.keyLabel; }
}

function move(by) {
  const questions = all();
  const next = questions[questions.indexOf(marked()) + by];
  if (!next) return;
  document.activeElement?.blur();
  mark(next);
  next.querySelector("[data-spans-text]")?.focus({ preventScroll: true });
}

/** Whether a question has an answer. */
function answered(question) {
  const { kind } = question.dataset;
  if (kind === "spans") return spansOf(question)?.isAnswered ?? true;
  if (kind === "ranking") return [...question.querySelectorAll("select")].every((select) => select.value);
  if (kind === "text" || kind === "comment") return question.querySelector("textarea").disabled || question.querySelector("textarea").value.trim() !== "";
  return question.querySelector("input:checked") !== null;
}

export const firstUnanswered = (form) => [...form.querySelectorAll("[data-question][data-required]")].find((question) => !answered(question));

/** Says at a question that it needs an answer, and goes there. */
export function complain(question) {
  const error = question.querySelector("[data-error]");
  error.textContent = "This question needs an answer.";
  error.hidden = false;
  mark(question);
}

// What was sent back by the server is where to go on.
each("[data-task]", (task) => {
  const wrong = all(task).find((question) => question.querySelector("[data-error]")?.hidden === false);
  mark(wrong ?? all(task)[0] ?? null, { reveal: wrong !== undefined });
});
on("click", "[data-question-move]", (button) => move(Number(button.dataset.questionMove)));
on("focusin", "[data-question]", (question) => { if (question !== marked()) mark(question, { reveal: false }); });
on("pointerdown", "[data-question]", (question) => { if (question !== marked()) mark(question, { reveal: false }); });
on("change", "[data-question]", (question, event) => {
  question.querySelector("[data-error]").hidden = true;
  // One choice is all there is to say: on to the next question.
  if (event.target.matches("input[type=radio]") && question === marked()) move(1);
});

// --- suggestions ---

function take(question, value) {
  const { kind } = question.dataset;
  if (kind === "spans") return spansOf(question)?.set(value);
  if (kind === "ranking") {
    for (const select of question.querySelectorAll("select")) select.value = String(value.indexOf(select.dataset.name) + 1);
  } else if (kind === "text" || kind === "comment") question.querySelector("textarea").value = value;
  else {
    const wanted = new Set([value].flat().map(String));
    for (const input of question.querySelectorAll("[data-option] input")) input.checked = wanted.has(input.value);
  }
  question.dispatchEvent(new Event("change", { bubbles: true }));
}
on("click", "[data-take]", (button) => {
  take(button.closest("[data-question]"), JSON.parse(button.dataset.take));
  move(1);
});

// --- ranking: the next free place, or its place back ---

on("click", "[data-rank-toggle]", (button) => {
  const list = button.closest(".ranking");
  const own = button.closest("[data-rank]").querySelector("select");
  const selects = [...list.querySelectorAll("select")];
  if (own.value) {
    for (const select of selects) if (Number(select.value) > Number(own.value)) select.value = String(select.value - 1);
    own.value = "";
  } else own.value = String(selects.filter((select) => select.value).length + 1);
  own.dispatchEvent(new Event("change", { bubbles: true }));
});

// --- searching labels ---

on("input", "[data-label-filter]", (field) => {
  const wanted = field.value.trim().toLowerCase();
  for (const option of field.closest("[data-question]").querySelectorAll("[data-option]")) {
    option.hidden = !option.textContent.toLowerCase().includes(wanted);
  }
});
on("keydown", "[data-label-filter]", (field, event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  if (field.value.trim()) field.closest("[data-question]").querySelector("[data-option]:not([hidden])")?.click();
  field.value = "";
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.blur();
});

// --- Enter submits, except where Enter is something else's ---

const OWN_ENTER = "textarea, button, a, summary, select, input:not([type=radio], [type=checkbox])";
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.ctrlKey || event.metaKey || event.shiftKey || event.defaultPrevented || event.isComposing) return;
  const form = document.querySelector("[data-annotate-place] [data-answers]");
  if (!form || event.target.closest(OWN_ENTER) || document.querySelector("dialog:modal")) return;
  event.preventDefault();
  form.requestSubmit();
});

// The words are what comes next when skipping or sending back, the answers when correcting: a key typed now must not do anything else.
// An observer, for the event `toggle` comes after the first letters of who types fast.
function opened(part) {
  if (!part.open) return;
  const question = part.querySelector("[data-question]");
  if (question) {
    mark(question);
    question.querySelector("[data-write]")?.focus();
  } else part.querySelector("input[name=reason], textarea").focus();
}
each(".annotate-skip, .review-part", (part) => {
  opened(part);
  new MutationObserver(() => opened(part)).observe(part, { attributeFilter: ["open"] });
});
