// [data-theme-choice] picks light, dark, or "" for the system's; `t` in the keys help is theirs to bind.
import { each, on } from "./bind.js";

const root = document.documentElement;

function show(button) {
  button.setAttribute("aria-pressed", String((root.dataset.theme ?? "") === button.dataset.themeChoice));
}

function choose(theme) {
  if (theme) root.dataset.theme = theme;
  else delete root.dataset.theme;
  try {
    if (theme) localStorage.setItem("theme", theme);
    else localStorage.removeItem("theme");
  } catch { /* storage is off: the choice lasts for this page */ }
  document.querySelectorAll("[data-theme-choice]").forEach(show);
  changed();
}

// Charts read colours once, so they have to be told.
function changed() {
  document.dispatchEvent(new CustomEvent("themechange"));
}

each("[data-theme-choice]", show);
on("click", "[data-theme-choice]", (button) => choose(button.dataset.themeChoice));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
