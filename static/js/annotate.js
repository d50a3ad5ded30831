// The annotating page: drafts on every pause, submit and skip in the background, the next record fetched ahead and shown at once.
// [data-annotate] holds it all; [data-task] is one record with its form.
import { csrfToken, each, on } from "./bind.js";
import { toast } from "./toasts.js";
import { complain, firstUnanswered } from "./annotate-questions.js";

const PAUSE = 500;
const LEFT = "atelier.left"; // in the session's storage: the draft of a page that was left
const SHORTLY = 10_000; // older ones have arrived, and somebody may have gone on elsewhere
const LONG_PAUSE = 300_000; // whoever was away so long was not reading
const room = () => document.querySelector("[data-annotate]");
const current = () => document.querySelector("[data-annotate-place] > [data-task]");

let ready = null; // the record fetched ahead
let fetching = null; // while it is on its way
let chain = Promise.resolve(); // requests go one after the other, so no draft overtakes a submit
let timer = 0;
let clock = { spent: 0, last: performance.now() };

/** Posts a form's data; an answer of any status, or null when the server cannot be reached. */
async function post(url, body) {
  const headers = { "x-csrftoken": csrfToken(), "x-annotate": "1" };
  try {
    const answer = await fetch(url, { method: "POST", body, headers, credentials: "same-origin" });
    await answer.clone().arrayBuffer(); // nothing is cached, so a body that is not read keeps its connection
    return answer;
  } catch { return null; }
}

const line = (work) => { chain = chain.then(work, work); return chain; };

function taskOf(html) {
  return document.adoptNode(new DOMParser().parseFromString(html, "text/html").querySelector("[data-task]"));
}

async function fetchTask(beside) {
  const body = new URLSearchParams(beside ? { beside } : {});
  const answer = await post(room().dataset.ahead, body);
  return answer?.status === 200 ? taskOf(await answer.text()) : null;
}

function fetchAhead() {
  const beside = current()?.dataset.task;
  if (!beside || ready) return;
  fetching = line(async () => { ready = await fetchTask(beside); }).finally(() => { fetching = null; });
}

function show(task) {
  room().querySelector("[data-annotate-place]").replaceChildren(task);
  clock = { spent: Number(task.dataset.seconds) || 0, last: performance.now() };
  document.body.dispatchEvent(new CustomEvent("htmx:load", { bubbles: true, detail: { elt: task } }));
  scrollTo({ top: 0 });
}

// --- seconds ---

function tick() {
  const now = performance.now();
  if (now - clock.last < LONG_PAUSE) clock.spent += (now - clock.last) / 1000;
  clock.last = now;
}
for (const type of ["keydown", "pointerdown", "scroll", "input"]) document.addEventListener(type, tick, { passive: true });

function dataOf(form) {
  tick();
  const body = new FormData(form);
  body.set("seconds", clock.spent.toFixed(1));
  return body;
}

// --- drafts ---

function say(words, task = current()) {
  const place = task?.querySelector("[data-draft-state]");
  if (place) place.textContent = words;
}

function keep() {
  clearTimeout(timer);
  timer = 0;
  const task = current();
  const form = task?.querySelector("[data-answers]");
  if (!form) return;
  const body = dataOf(form);
  say("Saving…", task);
  line(async () => {
    const answer = await post(task.dataset.draft, body);
    if (answer?.ok && !timer) delete task.dataset.unsaved;
    say(answer?.ok ? "Draft saved" : "Not saved yet", task);
    if (answer?.status === 409 && task === current()) toast((await answer.json()).detail, "warning");
  });
}

function changed(form) {
  form.closest("[data-task]").dataset.unsaved = "1";
  clearTimeout(timer);
  timer = setTimeout(keep, PAUSE);
}
on("input", "[data-answers]", changed);
on("change", "[data-answers]", changed);

/** Sends what is not saved yet, though the page is being left; and keeps it here, for a reload may be answered before it arrives. */
function keepLeaving() {
  const task = current();
  if (!task?.dataset.unsaved || task.dataset.sending) return;
  delete task.dataset.unsaved;
  const body = dataOf(task.querySelector("[data-answers]"));
  const headers = { "x-csrftoken": csrfToken(), "x-annotate": "1" };
  fetch(task.dataset.draft, { method: "POST", body, headers, keepalive: true });
  sessionStorage.setItem(LEFT, JSON.stringify({ draft: task.dataset.draft, at: Date.now(), answers: [...body] }));
}
// Some phones know only the second one.
addEventListener("beforeunload", keepLeaving);
addEventListener("pagehide", keepLeaving);

/** Shows what was typed in the last moment before this page was loaded again. */
async function takeUp() {
  const left = JSON.parse(sessionStorage.getItem(LEFT) ?? "null");
  sessionStorage.removeItem(LEFT);
  if (left?.draft !== current().dataset.draft || Date.now() - left.at > SHORTLY) return;
  await post(left.draft, new URLSearchParams(left.answers));
  const task = await fetchTask("");
  if (task && task.dataset.task === current().dataset.task && !current().dataset.unsaved) show(task);
}

// --- submit, skip ---

function send(form) {
  const task = form.closest("[data-task]");
  if (!task || task !== current() || task.dataset.sending) return;
  const body = dataOf(form);
  const began = performance.now();
  clearTimeout(timer);
  timer = 0;
  task.dataset.sending = "1";
  const next = ready;
  ready = null;
  if (next) {
    show(next);
    requestAnimationFrame(() => setTimeout(() => { room().dataset.shownIn = (performance.now() - began).toFixed(1); }));
  }
  line(() => finish(task, form.action, body, next));
}

async function finish(task, url, body, next) {
  const answer = await post(url, body);
  delete task.dataset.sending;
  if (answer?.ok) return sent(await answer.json(), next);
  if (answer?.status === 409) {
    toast((await answer.json()).detail, "warning");
    return next ? fetchAheadSoon() : follow();
  }
  bringBack(answer?.status === 422 ? taskOf(await answer.text()) : task, next);
  if (answer?.status === 422) return toast("The answers were not submitted. See the errors beside the record.", "error");
  return toast(answer ? `The answers were not submitted. The server answered ${answer.status}. Try again.`
    : "The server cannot be reached. Your answers are still here; submit them again in a moment.", "error");
}

/** What could not be sent stands on the page again; the record that was shown meanwhile comes after it. */
function bringBack(task, next) {
  if (next && current() === next) ready = next;
  show(task);
}

function sent(answer, next) {
  room().querySelector("[data-annotate-line]").textContent = answer.line;
  const undo = document.querySelector("[data-annotate-undo] button");
  if (undo) undo.disabled = false;
  return next ? fetchAheadSoon() : follow();
}

const fetchAheadSoon = () => { setTimeout(fetchAhead); };

/** Nothing was fetched ahead: ask for the next now. */
async function follow() {
  const task = await fetchTask("");
  if (!task) return location.assign(room().dataset.here);
  show(task);
  fetchAheadSoon();
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.matches("[data-answers]")) {
    event.preventDefault();
    const missing = firstUnanswered(form);
    if (missing) complain(missing);
    else if (fetching) fetching.then(() => send(form));
    else send(form);
  } else if (form.matches("[data-skip]")) {
    event.preventDefault();
    send(form);
  } else if (form.matches("[data-annotate-undo]")) {
    event.preventDefault();
    if (timer) keep();
    line(() => form.submit()); // after what is on its way
  }
}, true);

each("[data-annotate]", () => {
  if (!current()) return;
  line(takeUp);
  fetchAhead();
});
