// The sections of the page, of which one is shown, and the lists in them.

import { el, icon } from "../dom.js";
import { pressed } from "./form.js";
import { reasonOf } from "./words.js";

// A section. It reads all it shows before it shows any of it, so that nothing moves under a finger.
export class Part {
  constructor(id) {
    this.element = document.getElementById(id);
    this.title = this.element.querySelector("h1");
    this.wait = this.element.querySelector(".part-wait");
    this.fault = this.element.querySelector(".part-fault");
    this.body = this.element.querySelector(".part-body");
    this.fault.querySelector("button").addEventListener("click", () => this.open());
  }

  // Reads what is shown: for the first time, or anew. Throws ApiError.
  async load() {}

  async open() {
    this.element.hidden = false;
    this.fault.hidden = true;
    this.wait.hidden = !this.body.hidden;
    try {
      await this.load();
      this.body.hidden = false;
    } catch (error) {
      if (error.status === undefined) throw error;
      if (error.status === 401) return;
      this.fault.firstElementChild.textContent = reasonOf(error);
      this.fault.hidden = false;
    } finally {
      this.wait.hidden = true;
    }
  }

  close() {
    this.element.hidden = true;
  }
}

// A list that comes in pages. `read` answers a page, {items, next_cursor}; `row` makes an item's node.
export class Listing {
  #cursor = null;

  constructor(list, { more, read, row, empty }) {
    Object.assign(this, { list, more, read, row, empty });
    this.fault = el("p", { class: "form-fault", role: "alert", hidden: true });
    this.more.after(this.fault);
    this.more.addEventListener("click", () => pressed(this.more, () => this.#goOn(), this.fault));
  }

  async load() {
    const page = await this.read(null);
    this.list.replaceChildren(...page.items.map(this.row));
    this.#follow(page);
  }

  add(item) {
    this.list.querySelector(".row-none")?.remove();
    this.list.prepend(this.row(item));
  }

  // The row goes, and the keyboard is at the one that takes its place, or at what is behind the list.
  remove(row, otherwise) {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    this.#sayWhenEmpty();
    (next?.querySelector("button, a") ?? otherwise).focus();
  }

  async #goOn() {
    const page = await this.read(this.#cursor);
    const rows = page.items.map(this.row);
    this.list.append(...rows);
    this.#follow(page);
    // The button may be gone with the last page.
    if (this.more.hidden && rows.length) {
      rows[0].tabIndex = -1;
      rows[0].focus();
    }
  }

  #follow({ next_cursor: cursor }) {
    this.#cursor = cursor;
    this.more.hidden = !cursor;
    this.#sayWhenEmpty();
  }

  #sayWhenEmpty() {
    if (!this.list.childElementCount) this.list.append(el("li", { class: "row-none" }, this.empty));
  }
}

// A row: an icon, a name with what stands beside it, lines about it, and what can be done with it.
export function rowOf(picture, name, { badge, about = [], actions = [], alarming = false } = {}) {
  const title = el("p", { class: "row-name" }, el("span", { class: "breaks", dir: "auto" }, name), badge && " ", badge && el("span", { class: "badge good" }, badge));
  return el(
    "li",
    { class: alarming ? "row alarming" : "row" },
    el("span", { class: "row-icon" }, icon(picture)),
    el("div", { class: "row-words" }, title, ...about),
    actions.length > 0 && el("div", { class: "row-actions" }, ...actions),
  );
}

// A button of a row. The name says to screen readers what it is about; `act` is given the button.
export function action(words, about, act) {
  return el("button", { type: "button", class: "small-button", "aria-label": about ? `${words}: ${about}` : null, onclick: ({ currentTarget }) => act(currentTarget) }, words);
}
