// [data-copy="#id"] copies an element's text (or a field's value), [data-copy-text="…"] the text given.
import { on } from "./bind.js";
import { toast } from "./toasts.js";

on("click", "[data-copy], [data-copy-text]", async (button) => {
  const source = button.dataset.copy ? document.querySelector(button.dataset.copy) : null;
  const text = source ? source.value ?? source.textContent : button.dataset.copyText ?? "";
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied.", "success");
  } catch {
    // Browsers keep the clipboard from plain HTTP: select the text, so that one key finishes the work.
    if (source) getSelection().selectAllChildren(source);
    toast("This browser does not allow copying here. The text is selected; press Ctrl+C.", "warning");
  }
});
