// A classic script in the head, so that a remembered theme is there before the first paint.
"use strict";
try {
  const theme = localStorage.getItem("eloquent.theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is switched off: the system's theme is used.
}
