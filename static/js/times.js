// <time datetime="…" data-relative> says how long ago; the full time stays in its title.
import { each } from "./bind.js";

const words = new Intl.RelativeTimeFormat("en-GB", { numeric: "auto", style: "short" });
const UNITS = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60]];

function tell(element) {
  const when = new Date(element.dateTime);
  if (Number.isNaN(when.getTime())) return;
  const seconds = (when - Date.now()) / 1000;
  const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
  element.title ||= when.toLocaleString("en-GB");
  element.textContent = unit === "second" ? "just now" : words.format(Math.trunc(seconds / length), unit);
}

each("time[data-relative]", tell);
setInterval(() => document.querySelectorAll("time[data-relative]").forEach(tell), 30000);
