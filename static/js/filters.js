// A form[data-filters] sends only what is set, so the address of a list stays short.
document.addEventListener("htmx:configRequest", (event) => {
  const { elt, parameters, headers, triggeringEvent } = event.detail;
  if (!elt.matches?.("[data-filters]")) return;
  // A search that cannot be read yet is perhaps not finished: the server leaves the list as it is, and says what is missing.
  if (triggeringEvent?.type === "input") headers["X-Typing"] = "true";
  for (const name of Object.keys(parameters)) {
    if (parameters[name] === "") delete parameters[name];
  }
});
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || !form.matches("[data-filters]")) return;
  for (const field of form.elements) if (field.name && field.value === "") field.disabled = true;
  setTimeout(() => { for (const field of form.elements) field.disabled = false; });
});
// A link that narrows a list changes its address; the form above the list says the same then.
document.addEventListener("htmx:pushedIntoHistory", () => {
  const given = new URLSearchParams(location.search);
  for (const form of document.querySelectorAll("form[data-filters]")) {
    for (const field of form.elements) {
      if (field.name && field !== document.activeElement && field.type !== "hidden") field.value = given.get(field.name) ?? "";
    }
    const sort = form.elements.namedItem("sort");
    if (sort && !sort.value) sort.selectedIndex = 0;
  }
});
