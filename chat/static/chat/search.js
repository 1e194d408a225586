// Search in the user's messages: a field above the list of conversations, and what it finds in the list's place.

import { byId, composing, el } from "./dom.js";

const QUIET_MS = 220;
const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

// Events: "chosen" (a result was followed).
export class Search extends EventTarget {
  #asked = 0;
  #timer = null;
  #query = "";
  #cursor = null;
  #answered = ""; // the words that what is shown was found for
  #follows = false; // Enter was pressed before the answer came
  #ids = new Set();

  constructor(api) {
    super();
    this.api = api;
    this.box = byId("search-box");
    this.panel = byId("search-panel");
    this.results = byId("search-results");
    this.status = byId("search-status");
    this.fault = byId("search-fault");
    this.more = byId("search-more");
    this.clearer = byId("search-clear");
    this.box.addEventListener("input", () => this.#typed());
    this.box.addEventListener("keydown", (event) => this.#keyInBox(event));
    this.panel.addEventListener("keydown", (event) => this.#keyInPanel(event));
    this.more.addEventListener("click", () => this.#find(this.#cursor));
    byId("search-retry").addEventListener("click", () => {
      if (!this.results.childElementCount) this.box.focus(); // this button is about to go
      this.#find(this.results.childElementCount ? this.#cursor : null);
    });
    this.clearer.addEventListener("click", () => {
      this.clear();
      this.box.focus();
    });
    byId("search").addEventListener("submit", (event) => event.preventDefault());
  }

  focus() {
    this.box.focus();
    this.box.select();
  }

  // Back to the list of conversations.
  clear() {
    this.box.value = "";
    this.#typed();
  }

  #typed() {
    const query = this.box.value.trim();
    this.clearer.hidden = !this.box.value;
    if (query === this.#query) return;
    clearTimeout(this.#timer);
    this.#query = query;
    this.#follows = false;
    this.#asked += 1; // what is still on its way is for other words
    this.panel.hidden = !query;
    byId("conversations").hidden = Boolean(query);
    if (query) {
      this.panel.setAttribute("aria-busy", "true");
      this.#timer = setTimeout(() => this.#find(null), QUIET_MS);
    } else {
      this.#answered = "";
      this.#show([], null);
    }
  }

  async #find(cursor) {
    this.#asked += 1;
    const asked = this.#asked;
    this.panel.setAttribute("aria-busy", "true");
    this.more.disabled = true;
    if (!this.results.childElementCount) this.status.textContent = "Searching…";
    let page = null;
    let problem = null;
    try {
      page = await this.api.search(this.#query, cursor);
    } catch (error) {
      problem = error.fields?.get("q") ?? error.message;
    }
    if (asked !== this.#asked) return;
    this.panel.removeAttribute("aria-busy");
    this.more.disabled = false;
    this.#answered = this.#query;
    this.fault.hidden = problem === null;
    byId("search-fault-text").textContent = problem ?? "";
    if (problem !== null) {
      this.status.textContent = "";
      if (!cursor) this.results.replaceChildren();
      this.more.hidden = true;
      this.#follows = false;
      this.fault.scrollIntoView({ block: "nearest" });
      return;
    }
    const begins = cursor ? this.results.childElementCount : 0;
    this.#show(page.items, page.next_cursor, Boolean(cursor));
    this.#tell(page);
    // Whoever asked for more reads on at the first of them.
    if (begins) this.results.children[begins]?.querySelector("a").focus();
    if (this.#follows) this.#follow();
  }

  #show(items, cursor, further = false) {
    if (!further) {
      this.#ids.clear();
      this.results.replaceChildren();
      this.panel.scrollTop = 0;
    }
    for (const item of items) {
      if (this.#ids.has(item.message_id)) continue;
      this.#ids.add(item.message_id);
      this.results.append(this.#result(item));
    }
    this.#cursor = cursor;
    this.more.hidden = !cursor;
    this.fault.hidden = true;
    if (!items.length && !further) this.status.textContent = "";
  }

  #tell({ items, next_cursor: cursor, truncated }) {
    const count = this.results.childElementCount;
    if (!items.length && !count) this.status.textContent = "No message has all of these words.";
    else if (truncated && !cursor) this.status.textContent = `The ${count} best. More words find the rest.`;
    else this.status.textContent = `${count}${cursor ? " or more" : ""} ${count === 1 && !cursor ? "message" : "messages"}`;
  }

  #result({ conversation_id: conversation, message_id: message, conversation_title: title, role, created_at: at, archived, excerpt }) {
    const words = excerpt.map(({ text, match }) => (match ? el("mark", {}, text) : text));
    const about = [role === "user" ? "You" : "Eloquent", WHEN.format(new Date(at)), archived && "archived"].filter(Boolean).join(" · ");
    return el(
      "li",
      {},
      el(
        "a",
        { href: `#/c/${conversation}/m/${message}`, onclick: ({ currentTarget }) => this.#chosen(currentTarget) },
        el("span", { class: "result-title", dir: "auto" }, title || "New conversation"),
        el("span", { class: "result-words", dir: "auto" }, ...words),
        el("span", { class: "result-about" }, about),
      ),
    );
  }

  #chosen(link) {
    this.results.querySelector("[aria-current]")?.removeAttribute("aria-current");
    link.setAttribute("aria-current", "true");
    this.dispatchEvent(new Event("chosen"));
  }

  #keyInBox(event) {
    if (composing(event)) return;
    // What was found for other words is no answer to these.
    const first = this.#answered === this.#query ? this.results.querySelector("a") : null;
    if (event.key === "Escape" && this.box.value) this.clear();
    else if (event.key === "ArrowDown" && first) first.focus();
    else if (event.key === "Enter" && this.#query) this.#follow();
    else return;
    event.preventDefault();
  }

  // Opens the best result, as soon as there is one for the words in the field.
  #follow() {
    this.#follows = this.#answered !== this.#query;
    if (!this.#follows) this.results.querySelector("a")?.click();
  }

  #keyInPanel(event) {
    const links = [...this.results.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    if (event.key === "Escape") {
      this.clear();
      this.box.focus();
    } else if (event.key === "ArrowDown" && at >= 0) {
      (links[at + 1] ?? (this.more.hidden ? links[at] : this.more)).focus();
    } else if (event.key === "ArrowUp" && document.activeElement === this.more) {
      links.at(-1).focus();
    } else if (event.key === "ArrowUp" && at >= 0) {
      (links[at - 1] ?? this.box).focus();
    } else return;
    event.preventDefault();
  }
}
