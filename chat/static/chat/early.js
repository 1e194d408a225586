// A classic script in the head, for what must be there before the modules: the remembered theme, so that the first
// paint has it, and a way out when a module does not arrive.
"use strict";

try {
  const theme = localStorage.getItem("eloquent.theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is switched off: the system's theme is used.
}

addEventListener(
  "error",
  (event) => {
    if (!(event.target instanceof HTMLScriptElement)) return;
    document.getElementById("loading-view").hidden = true;
    document.getElementById("fault-text").textContent = "A part of this page did not arrive. Check your connection and try again.";
    document.getElementById("fault-view").hidden = false;
    document.getElementById("fault-retry").addEventListener("click", () => location.reload());
  },
  true,
);
