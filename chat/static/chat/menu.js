// A menu at the button that opened it, for mouse and keyboard. The page has one.

import { byId, el, icon } from "./dom.js";

export class Menu {
  #button = null;

  constructor() {
    this.element = byId("menu");
    this.element.addEventListener("keydown", (event) => this.#key(event));
    document.addEventListener("pointerdown", (event) => {
      if (this.#button && !this.element.contains(event.target) && !this.#button.contains(event.target)) this.close();
    });
    addEventListener("resize", () => this.close());
  }

  open(button, entries) {
    if (this.#button === button) {
      this.close();
      return;
    }
    this.close();
    this.#button = button;
    button.setAttribute("aria-expanded", "true");
    this.element.replaceChildren(...entries.map(({ label, icon: name, danger, act }) => {
      const choose = () => {
        this.close();
        button.focus();
        act();
      };
      return el("button", { type: "button", role: "menuitem", tabindex: "-1", class: danger ? "danger" : null, onclick: choose }, icon(name), label);
    }));
    this.element.hidden = false;
    const place = button.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.element;
    this.element.style.left = `${Math.max(8, Math.min(place.right - width, innerWidth - width - 8))}px`;
    this.element.style.top = `${place.bottom + height + 8 > innerHeight ? place.top - height - 4 : place.bottom + 4}px`;
    this.element.firstElementChild.focus();
  }

  // Closes it if it is this button's: one that goes. False when it is not.
  closeAt(button) {
    if (this.#button !== button) return false;
    this.close();
    return true;
  }

  close() {
    this.#button?.setAttribute("aria-expanded", "false");
    this.#button = null;
    this.element.hidden = true;
  }

  #key(event) {
    const entries = [...this.element.children];
    const at = entries.indexOf(document.activeElement);
    const moves = { ArrowDown: at + 1, ArrowUp: at - 1 + entries.length, Home: 0, End: entries.length - 1 };
    if (event.key in moves) entries[moves[event.key] % entries.length].focus();
    else if (event.key === "Escape" || event.key === "Tab") {
      const button = this.#button;
      this.close();
      button.focus();
      event.stopPropagation();
    } else return;
    event.preventDefault();
  }
}
