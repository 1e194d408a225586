// Forms and buttons: sent once at a time, what is wrong stands where it is wrong, and nothing that was typed is lost.

import { el, toast } from "../dom.js";
import { ApiError } from "../session.js";
import { reasonOf } from "./words.js";

// Does the work of a button that was pressed, unless it is at it already.
async function whileBusy(button, work) {
  if (button.ariaBusy === "true") return;
  button.ariaBusy = "true";
  try {
    await work();
  } finally {
    button.ariaBusy = null;
  }
}

// Whether it is a sentence for the user; everything else is a fault of ours. (A 401 is told by the form to sign in.)
function isTold(error) {
  return error instanceof ApiError || error.constructor === Error;
}

// Shows at `place` (a `.form-fault`) why something did not work; nothing takes it away.
export function showFault(place, error) {
  place.hidden = !error;
  place.textContent = error ? reasonOf(error) : "";
}

// As `whileBusy`; what is refused is shown at `place`, and without one for a few seconds.
export function pressed(button, work, place = null) {
  return whileBusy(button, async () => {
    if (place) showFault(place, null);
    try {
      await work();
    } catch (error) {
      if (error.status === 401) return;
      if (!isTold(error)) throw error;
      if (place) showFault(place, error);
      else toast(reasonOf(error));
    }
  });
}

export class Form {
  // `send` does what the form is for. What it throws is shown: at the fields that it is about, else above the button.
  constructor(element, send) {
    this.element = element;
    this.fault = element.querySelector(".form-fault");
    this.button = element.querySelector("[type=submit]");
    element.addEventListener("submit", (event) => {
      event.preventDefault();
      whileBusy(this.button, () => this.#submit(send));
    });
    element.addEventListener("input", ({ target }) => {
      this.mark(target, "");
      target.closest(".field, .choices")?.querySelector("[data-fault]")?.replaceChildren();
    });
    for (const button of element.querySelectorAll("[data-shows]")) button.addEventListener("click", () => reveal(button));
  }

  get busy() {
    return this.button.ariaBusy === "true";
  }

  // The fields that can be filled in now, and the buttons.
  get shown() {
    return [...this.element.elements].filter((field) => field.id && !field.closest("[hidden]"));
  }

  value(name) {
    return this.element.elements[name].value;
  }

  // As after it was opened.
  reset() {
    this.element.reset();
    for (const button of this.element.querySelectorAll("[aria-pressed=true]")) reveal(button);
    this.#clear();
  }

  show(error) {
    if (error.status === 401) return;
    if (!isTold(error)) throw error;
    const places = [...(error.fields ?? [])].map(([name, sentence]) => this.#markNamed(name, sentence)).filter(Boolean);
    // What stands at the fields need not be said above the button, too.
    if (!places.length) showFault(this.fault, error);
    places[0]?.focus();
  }

  mark(field, sentence) {
    const place = document.getElementById(`${field.id}-fault`);
    if (!place) return;
    place.replaceChildren(sentence ? el("span", {}, sentence) : "");
    if (sentence) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }

  async #submit(send) {
    this.#clear();
    const empty = this.shown.find((field) => field.required && !field.value.trim());
    if (empty) {
      this.mark(empty, empty.dataset.missing);
      empty.focus();
      return;
    }
    try {
      await send();
    } catch (error) {
      this.show(error);
    }
  }

  #markNamed(name, sentence) {
    const group = this.element.querySelector(`[data-fault="${CSS.escape(name)}"]`);
    if (group) {
      group.replaceChildren(el("span", {}, sentence));
      return this.element.querySelector(`[aria-describedby~="${group.id}"]`);
    }
    const field = this.shown.find((each) => each.name === name);
    if (field) this.mark(field, sentence);
    return field;
  }

  #clear() {
    showFault(this.fault, null);
    for (const field of this.element.elements) this.mark(field, "");
    for (const group of this.element.querySelectorAll("[data-fault]")) group.replaceChildren();
  }
}

function reveal(button) {
  const field = document.getElementById(button.dataset.shows);
  const shown = field.type === "text";
  field.type = shown ? "password" : "text";
  button.ariaPressed = String(!shown);
  button.textContent = shown ? "Show" : "Hide";
}
