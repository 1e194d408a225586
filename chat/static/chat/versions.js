// Other wordings of a question, or other answers to it: "‹ 2/3 ›" beside a message.

import { el, icon } from "./dom.js";

export class Versions {
  #shown = "";
  #show = null;

  constructor() {
    this.count = el("span", { class: "versions-count" });
    this.previous = this.#arrow("left", "Previous version", "previous_id");
    this.next = this.#arrow("right", "Next version", "next_id");
    this.element = el("div", { class: "versions", role: "group", "aria-label": "Versions", hidden: true }, this.previous, this.count, this.next);
  }

  // siblings: {count, index, previous_id, next_id}, or null. onshow: takes the id to show; null while it cannot be.
  update(siblings, onshow) {
    this.siblings = siblings;
    this.#show = onshow;
    const now = JSON.stringify([siblings, Boolean(onshow)]);
    if (this.#shown === now) return;
    this.#shown = now;
    this.element.hidden = !(siblings?.count > 1);
    if (this.element.hidden) return;
    const place = siblings.index + 1;
    this.count.textContent = `${place}/${siblings.count}`;
    this.count.setAttribute("aria-label", `Version ${place} of ${siblings.count}`);
    this.previous.disabled = !onshow || !siblings.previous_id;
    this.next.disabled = !onshow || !siblings.next_id;
  }

  // The message that was pressed on is another one now: its reader goes on from the same arrow, or turns round.
  focus(label) {
    const [wanted, other] = label === "Next version" ? [this.next, this.previous] : [this.previous, this.next];
    (wanted.disabled ? other : wanted).focus();
  }

  #arrow(name, label, field) {
    const press = () => this.#show?.(this.siblings[field], label);
    return el("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick: press }, icon(name));
  }
}
