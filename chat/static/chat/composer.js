// The box to write in, with its send and stop button.

import { byId, composing } from "./dom.js";

export const LONGEST_MESSAGE = 32_000;
const GROWS_BY_ITSELF = CSS.supports("field-sizing", "content");

// Events: "send" (detail: {text, files}, the files as parts), "stop".
export class Composer extends EventTarget {
  #running = false;
  #waiting = false;

  // tray: the files that go with the message.
  constructor(tray) {
    super();
    this.tray = tray;
    tray.addEventListener("changed", () => this.#changed());
    this.box = byId("composer-box");
    this.button = byId("composer-button");
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#running) this.dispatchEvent(new Event("stop"));
      else this.#send();
    });
    this.box.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || composing(event)) return;
      event.preventDefault();
      if (!this.#running) this.#send();
    });
    this.box.addEventListener("input", () => this.#changed());
    this.#changed();
  }

  get text() {
    return this.box.value;
  }

  set text(value) {
    this.box.value = value;
    this.#changed();
  }

  // running: an answer is on its way, so the button stops it. stopping: that was asked. waiting: what was sent
  // last is still on its way.
  setState({ running, stopping, waiting }) {
    this.#running = running;
    this.#waiting = waiting;
    this.button.classList.toggle("stop", running);
    this.button.setAttribute("aria-label", running ? "Stop the answer" : "Send message");
    this.button.title = running ? "Stop (Esc)" : "Send (Enter)";
    this.button.disabled = running ? stopping : !this.#sendable();
  }

  focus() {
    // On a phone the keyboard would cover what was just opened.
    if (matchMedia("(pointer: coarse)").matches) return;
    this.box.focus();
  }

  #sendable() {
    if (this.#waiting || this.tray.uploading || this.box.value.length > LONGEST_MESSAGE) return false;
    return this.box.value.trim() !== "" || this.tray.parts.length > 0;
  }

  #send() {
    if (!this.#sendable()) return;
    this.dispatchEvent(new CustomEvent("send", { detail: { text: this.box.value.trim(), files: this.tray.parts } }));
  }

  #changed() {
    const over = this.box.value.length - LONGEST_MESSAGE;
    const note = byId("composer-note");
    note.hidden = over <= 0;
    if (over > 0) note.textContent = `This message is ${over.toLocaleString()} characters too long.`;
    if (!GROWS_BY_ITSELF) {
      this.box.style.height = "auto";
      // Hidden, it has no height to take.
      if (this.box.scrollHeight) this.box.style.height = `${this.box.scrollHeight}px`;
    }
    if (!this.#running) this.button.disabled = !this.#sendable();
  }
}
