// Two ways to bind that survive htmx swaps.

/** Calls handler(element, event) when an event of this type happens in an element that matches. */
export function on(type, selector, handler, options) {
  document.addEventListener(type, (event) => {
    const element = event.target.closest?.(selector);
    if (element) handler(element, event);
  }, options);
}

const bound = new WeakMap();

/** Calls start(element) once for every element that matches, now and after each swap. */
export function each(selector, start) {
  const seen = bound.get(start) ?? new WeakSet();
  bound.set(start, seen);
  const visit = (root) => {
    const found = root.matches?.(selector) ? [root, ...root.querySelectorAll(selector)] : root.querySelectorAll(selector);
    for (const element of found) {
      if (seen.has(element)) continue;
      seen.add(element);
      start(element);
    }
  };
  visit(document);
  document.addEventListener("htmx:load", (event) => visit(event.detail.elt));
}

/** Makes an element: text is text, never markup. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** An icon of img/icons.svg, as partials/icon.html draws it. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `${new URL("../img/icons.svg", import.meta.url).pathname}#${name}`);
  svg.append(use);
  return svg;
}

/** What an unsafe request of our own has to send as x-csrftoken. */
export function csrfToken() {
  return JSON.parse(document.body.getAttribute("hx-headers") ?? "{}")["x-csrftoken"] ?? "";
}
