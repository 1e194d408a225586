// Makes DOM nodes. Nothing on this page is ever made from a string of HTML.

const SVG = "http://www.w3.org/2000/svg";

// An element. A function under "onclick", "oninput"... becomes a listener; null, undefined and false leave an attribute or a child out.
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
  return node;
}

// An icon of the sprite at the end of the page. It says nothing to a screen reader: the button around it does.
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

export function byId(id) {
  return document.getElementById(id);
}

// Says a sentence to screen readers without showing it.
export function announce(sentence) {
  byId("announcer").textContent = sentence;
}

// Whether the key belongs to an input method that composes a character. Safari says so by the code alone when the key ends it.
export function composing(event) {
  return event.isComposing || event.keyCode === 229;
}

// Shows a sentence for a few seconds at the bottom of the page.
export function toast(sentence) {
  const note = el("div", { class: "toast" }, sentence);
  byId("toasts").append(note);
  setTimeout(() => note.remove(), 4000);
}

// Puts text on the clipboard and shows on the button that it worked. Without a secure origin there is no
// clipboard API: the old command is tried then.
export async function copyText(text, button) {
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = el("textarea", { class: "offscreen", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
  }
  button.dataset.copied = done ? "yes" : "no";
  announce(done ? "Copied." : "The browser did not allow copying.");
  setTimeout(() => delete button.dataset.copied, 1600);
}

// Has the browser keep a file.
export function saveFile(name, content) {
  const url = URL.createObjectURL(content);
  el("a", { href: url, download: name }).click();
  // Not at once: the browser reads it after the click.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
