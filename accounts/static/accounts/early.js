// A classic script in the head, for what must be there before the module: the theme that the chat page remembers, and a
// word when the module does not arrive.
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
    document.getElementById("told").textContent = "A part of this page did not arrive. Check your connection and open the link again.";
  },
  true,
);
