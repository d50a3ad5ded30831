// <details data-menu> closes on Escape, on a click elsewhere, and when another opens.
import { on } from "./bind.js";

const others = (than) => [...document.querySelectorAll("details[data-menu][open]")].filter((menu) => menu !== than);

document.addEventListener("click", (event) => {
  for (const menu of others(event.target.closest("details[data-menu]"))) menu.open = false;
});

on("keydown", "details[data-menu][open]", (menu, event) => {
  const items = [...menu.querySelectorAll(".menu-list :is(a, button)")];
  if (event.key === "Escape") {
    menu.open = false;
    menu.querySelector("summary").focus();
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    const step = event.key === "ArrowDown" ? 1 : -1;
    items.at((items.indexOf(document.activeElement) + step) % items.length)?.focus();
  }
});
