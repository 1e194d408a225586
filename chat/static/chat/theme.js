// The button that changes between dark and light, and remembers it when it differs from the system's own.

const KEY = "eloquent.theme";
const systemDark = matchMedia("(prefers-color-scheme: dark)");

function current() {
  return document.documentElement.dataset.theme ?? (systemDark.matches ? "dark" : "light");
}

export function setUpTheme(buttons) {
  const label = () => {
    for (const button of buttons) button.setAttribute("aria-label", current() === "dark" ? "Use the light theme" : "Use the dark theme");
  };
  for (const button of buttons) {
    button.addEventListener("click", () => {
      const next = current() === "dark" ? "light" : "dark";
      const followsSystem = (next === "dark") === systemDark.matches;
      if (followsSystem) delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = next;
      try {
        if (followsSystem) localStorage.removeItem(KEY);
        else localStorage.setItem(KEY, next);
      } catch {
        // Storage is switched off: the choice lasts until the page is closed.
      }
      label();
    });
  }
  systemDark.addEventListener("change", label);
  label();
}
