// [data-stream="/url"] shows an answer while it is written. The server sends events whose data is JSON:
//   token     {"text": "…"}          the next piece of the answer
//   reasoning {"text": "…"}          the next piece of the reasoning
//   reset     {}                     start again: what was sent is void
//   done      {"tokens": 120, "seconds": 3.1, "first": 0.4}   the end; figures as far as known
//   failed    {"message": "…", "final": true}   the end, with a sentence; final: the server keeps it so
// On done the element is replaced by what data-done-url answers, if given. [data-stream-stop] posts its address and closes.
// Text of a model is only ever set as text.
import { csrfToken, each, make, on } from "./bind.js";

const open = new WeakMap();
const NEAR_END = 48;

class Stream {
  constructor(element) {
    this.element = element;
    this.tokens = 0;
    this.startedAt = performance.now();
    this.firstAt = null;
    element.classList.add("is-streaming");
    element.setAttribute("aria-busy", "true");
    this.source = new EventSource(element.dataset.stream);
    const listen = (type, handle) => this.source.addEventListener(type, (event) => handle.call(this, JSON.parse(event.data || "{}")));
    listen("token", this.token);
    listen("reasoning", this.reasoning);
    listen("reset", this.reset);
    listen("done", this.done);
    listen("failed", this.failed);
    // The browser connects again by itself; only when it gave up is the answer lost.
    this.source.onerror = () => {
      if (this.source.readyState === EventSource.CLOSED) this.failed({ message: "The connection was lost. Try again." });
    };
  }

  part(name) {
    return this.element.querySelector(`[data-stream-${name}]`);
  }

  token({ text }) {
    this.append(this.part("text"), text);
    this.tokens += 1;
    this.firstAt ??= performance.now();
    this.measure({ tokens: this.tokens, seconds: (performance.now() - this.startedAt) / 1000, first: (this.firstAt - this.startedAt) / 1000 });
  }

  reasoning({ text }) {
    const details = this.part("reasoning");
    if (!details) return;
    details.hidden = false;
    this.append(details.querySelector(".text"), text);
  }

  append(target, text) {
    const scroller = this.element.closest(".pane-body");
    const follow = scroller && scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_END;
    if (target.lastChild?.nodeType === Node.TEXT_NODE) target.lastChild.appendData(text);
    else target.append(text);
    if (follow) scroller.scrollTop = scroller.scrollHeight;
  }

  reset() {
    this.tokens = 0;
    this.part("text").textContent = "";
    const reasoning = this.part("reasoning")?.querySelector(".text");
    if (reasoning) reasoning.textContent = "";
  }

  measure({ tokens, seconds, first }) {
    const line = this.part("measures");
    if (!line) return;
    const figure = (value, unit) => make("span", {}, make("b", { textContent: value }), ` ${unit}`);
    const figures = [];
    if (tokens) figures.push(figure(String(tokens), "tokens"));
    if (tokens && seconds) figures.push(figure((tokens / seconds).toFixed(1), "tokens/s"));
    if (seconds) figures.push(figure(seconds.toFixed(1), "s"));
    if (first) figures.push(figure(first.toFixed(2), "s to first token"));
    line.replaceChildren(...figures);
  }

  done(figures) {
    this.close();
    this.measure(figures);
    this.replace();
  }

  failed({ message, final }) {
    this.close();
    const place = this.part("error");
    if (place) {
      place.textContent = message;
      place.hidden = false;
    }
    // Only what is over on the server is fetched: else the new element would open the stream again, and so on.
    if (final) this.replace();
  }

  replace() {
    const url = this.element.dataset.doneUrl;
    if (url) window.htmx.ajax("GET", url, { target: this.element, swap: "outerHTML" });
  }

  close() {
    this.source.close();
    this.element.classList.remove("is-streaming");
    this.element.removeAttribute("aria-busy");
    this.part("stop")?.remove();
    open.delete(this.element);
    this.element.dispatchEvent(new CustomEvent("stream:end", { bubbles: true }));
  }
}

each("[data-stream]", (element) => {
  if (!element.dataset.stream) return;
  open.set(element, new Stream(element));
});

on("click", "[data-stream-stop]", async (button) => {
  const element = button.closest("[data-stream]");
  const url = button.dataset.streamStop;
  button.disabled = true;
  // The server ends the stream with `done`, which carries the figures; if it does not answer, we end it here.
  const answer = await fetch(url, { method: "POST", headers: { "x-csrftoken": csrfToken() } }).catch(() => null);
  answer?.body?.cancel();
  if (!answer?.ok) open.get(element)?.failed({ message: "Stopped here, but the server did not confirm." });
  else setTimeout(() => open.get(element)?.done({}), 1500);
});

// `Stop all`: every answer of the page at once.
on("click", "[data-stop-all]", () => document.querySelectorAll("[data-stream-stop]").forEach((button) => button.click()));

// A swap that removes an answer ends its stream.
document.addEventListener("htmx:beforeCleanupElement", (event) => open.get(event.target)?.source.close());
