// label[data-dropzone] around a file input: files may be dropped, and [data-files] shows their names and sizes.
import { each, make } from "./bind.js";

export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toFixed(power ? 1 : 0)} ${units[power]}`;
}

each("[data-dropzone]", (zone) => {
  const input = zone.querySelector("input[type=file]");
  const list = zone.querySelector("[data-files]");
  const show = () => list?.replaceChildren(...[...input.files].map((file) => make("div", {}, make("strong", { textContent: file.name }), ` ${size(file.size)}`)));
  input.addEventListener("change", show);
  zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    if (!event.dataTransfer.files.length) return;
    const kept = new DataTransfer();
    for (const file of input.multiple ? event.dataTransfer.files : [event.dataTransfer.files[0]]) kept.items.add(file);
    input.files = kept.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
});

// A file dropped beside the zone must not replace the page.
for (const type of ["dragover", "drop"]) {
  document.addEventListener(type, (event) => {
    if (document.querySelector("[data-dropzone]") && !event.target.closest?.("textarea, input")) event.preventDefault();
  });
}
