// Deciding between answers: choosing "another answer" opens its form; writing in that form chooses it.
import { each, on } from "./bind.js";

on("change", "input[data-anew]", (radio) => {
  const form = document.getElementById(radio.dataset.anew);
  if (form && radio.checked) form.open = true;
});

each("[data-anew-form]", (details) => {
  const radio = () => document.querySelector(`input[data-anew="${CSS.escape(details.id)}"]`);
  // Only what a person does counts, not what a widget sets when it starts.
  for (const type of ["input", "change"]) {
    details.addEventListener(type, (event) => { if (event.target.name !== details.dataset.anewForm && details.open) radio().checked = true; });
  }
});
