// A plain script that blocks for a moment: the theme must stand before the first paint. The rest is theme.js.
document.documentElement.classList.add("js");
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch { /* storage is off: follow the system */ }
