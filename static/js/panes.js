// [data-panes="#id"] holds links to the panes of a sideways scroller; the one in sight is marked.
import { each, on } from "./bind.js";

each("[data-panes]", (tabs) => {
  const links = [...tabs.querySelectorAll("a[href^='#']")];
  const scroller = document.querySelector(tabs.dataset.panes);
  if (!scroller) return;
  const watcher = new IntersectionObserver((entries) => {
    const inSight = entries.find((entry) => entry.isIntersecting);
    if (!inSight) return;
    for (const link of links) {
      if (link.hash === `#${inSight.target.id}`) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }, { root: scroller, threshold: 0.6, rootMargin: "100000px 0px" });
  for (const link of links) {
    const pane = document.querySelector(link.hash);
    if (pane) watcher.observe(pane);
  }
});

// Sideways only: following the link itself would move the page as well, and fill the history.
on("click", "[data-panes] a", (link, event) => {
  const pane = document.querySelector(link.hash);
  const scroller = pane?.parentElement;
  if (!scroller) return;
  event.preventDefault();
  scroller.scrollTo({ left: pane.offsetLeft - scroller.offsetLeft });
});
