// A question that is worded anew, in its own place. The earlier wording is kept by the server.

import { LONGEST_MESSAGE } from "./composer.js";
import { composing, el } from "./dom.js";

export class QuestionEditor {
  // onsend takes the new text; onclose is called when the editor goes, sent or not.
  constructor(text, { onsend, onclose }) {
    this.before = text;
    this.onsend = onsend;
    this.onclose = onclose;
    this.box = el("textarea", { class: "editor-box", rows: "2", dir: "auto", "aria-label": "Edit your message", enterkeyhint: "send" });
    this.box.value = text;
    this.button = el("button", { type: "submit", class: "small-button strong" }, "Send");
    const cancel = el("button", { type: "button", class: "small-button", onclick: () => this.onclose() }, "Cancel");
    this.element = el("form", { class: "editor" }, this.box, el("div", { class: "editor-actions" }, cancel, this.button));
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.box.addEventListener("keydown", (event) => this.#key(event));
    this.box.addEventListener("input", () => this.#changed());
    this.#changed();
  }

  focus() {
    this.box.focus();
    this.box.setSelectionRange(this.box.value.length, this.box.value.length);
  }

  // While an answer is being written nothing can be sent; what was typed stays.
  setFree(free) {
    this.free = free;
    this.#changed();
  }

  #sendable() {
    const text = this.box.value.trim();
    return this.free !== false && text !== "" && text !== this.before.trim() && text.length <= LONGEST_MESSAGE;
  }

  #send() {
    if (!this.#sendable()) return;
    const text = this.box.value.trim();
    this.onclose();
    this.onsend(text);
  }

  #key(event) {
    if (composing(event)) return;
    if (event.key === "Escape") {
      // Escape stops an answer elsewhere on the page.
      event.preventDefault();
      this.onclose();
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.#send();
    }
  }

  #changed() {
    this.button.disabled = !this.#sendable();
    if (CSS.supports("field-sizing", "content") || !this.box.scrollHeight) return;
    this.box.style.height = "auto";
    this.box.style.height = `${this.box.scrollHeight}px`;
  }
}
