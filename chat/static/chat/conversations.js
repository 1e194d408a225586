// The list of conversations in the sidebar: pages by cursor, rename in place, pin, delete.

import { announce, byId, composing, el, icon, saveFile } from "./dom.js";
import { Menu } from "./menu.js";

const DAY_MS = 86_400_000;

// Events: "changed" (detail: the conversation's id), "deleted" (detail: the id), "fault" (detail: a sentence).
export class Conversations extends EventTarget {
  models = [];
  #items = new Map();
  #rows = new Map();
  #cursor = null;
  #loading = false;
  #current = null;
  #busy = new Set();
  // Deleted for good: what was read before, and arrives after, does not bring one back.
  #gone = new Set();
  #deleting = new Set();
  // What was changed here and is not answered yet holds, whatever else is read meanwhile.
  #changing = new Map();
  #moving = false;

  constructor(api) {
    super();
    this.api = api;
    this.list = byId("conversation-list");
    this.more = byId("conversations-more");
    this.menu = new Menu();
    this.watcher = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.#loadMore(), { root: byId("conversations"), rootMargin: "200px" });
  }

  get(id) {
    return this.#items.get(id) ?? null;
  }

  modelName(id) {
    return this.models.find((model) => model.id === id)?.name ?? id ?? "";
  }

  // Reads the first page again. What is already here and not in it stays; what is below it is read again by whoever
  // scrolls there: an import may have put others anywhere between.
  async load() {
    const { items, next_cursor: cursor } = await this.api.conversations();
    this.#cursor = cursor;
    for (const item of items) this.#keep(item);
    this.#drawPage();
  }

  clear() {
    for (const ids of [this.#items, this.#busy, this.#gone, this.#deleting, this.#changing]) ids.clear();
    this.#cursor = null;
    this.#current = null;
    this.#draw();
  }

  // Puts in one that was made or fetched.
  put(conversation) {
    if (!this.#keep(conversation)) return;
    this.#draw();
    this.#tell("changed", conversation.id);
  }

  // One was deleted, here or elsewhere. False when it was not in the list, or when whoever sits here is deleting it.
  deleted(id) {
    this.#gone.add(id);
    return this.remove(id) && !this.#deleting.has(id);
  }

  isDeleting(id) {
    return this.#deleting.has(id);
  }

  // Takes one out that may come back. False when it was not here.
  remove(id) {
    const here = this.#items.delete(id);
    this.#busy.delete(id);
    if (here) this.#draw();
    return here;
  }

  // A conversation that something was just said in comes to the top.
  touch(id) {
    const item = this.#items.get(id);
    if (item) this.put({ ...item, updated_at: new Date().toISOString() });
  }

  retitle(id, title) {
    const item = this.#items.get(id);
    if (item) this.put({ ...item, title });
  }

  select(id) {
    this.#current = id;
    this.#draw();
  }

  // Whether an answer is being written in a conversation: a dot says so.
  setBusy(id, busy) {
    if (busy) this.#busy.add(id);
    else this.#busy.delete(id);
    this.#draw();
  }

  async change(id, fields) {
    // One that was opened by its address may not be in the list yet: there is nothing to show before the reply.
    const before = this.get(id);
    const others = () => (this.#changing.get(id) ?? []).filter((each) => each !== fields);
    this.#changing.set(id, [...others(), fields]);
    if (before) this.put(before);
    let after = null;
    try {
      after = await this.api.changeConversation(id, fields);
    } catch (error) {
      const undone = Object.keys(fields).map((name) => [name, before?.[name]]);
      if (before) after = { ...this.get(id), ...Object.fromEntries(undone) };
      this.#tell("fault", error.message);
    }
    this.#changing.set(id, others());
    // Unless it left the list meanwhile.
    if (after && (!before || this.get(id))) this.put(after);
  }

  // False for one that is gone.
  #keep(item) {
    if (this.#gone.has(item.id)) return false;
    this.#items.set(item.id, Object.assign({}, item, ...(this.#changing.get(item.id) ?? [])));
    return true;
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  async #loadMore() {
    if (!this.#cursor || this.#loading) return;
    this.#loading = true;
    const from = this.#cursor;
    try {
      const { items, next_cursor: cursor } = await this.api.conversations(from);
      // Unless the list was begun anew meanwhile.
      if (this.#cursor === from) this.#cursor = cursor;
      for (const item of items) if (!this.#items.has(item.id)) this.#keep(item);
      this.#drawPage();
    } catch (error) {
      this.#tell("fault", error.message);
    } finally {
      this.#loading = false;
    }
  }

  #drawPage() {
    this.#draw();
    // It tells of changes alone. Asked anew, it also tells of an end that is in view still.
    this.watcher.unobserve(this.more);
    this.watcher.observe(this.more);
  }

  #draw() {
    const items = [...this.#items.values()].sort((a, b) => b.pinned - a.pinned || Date.parse(b.updated_at) - Date.parse(a.updated_at));
    byId("no-conversations").hidden = items.length > 0;
    this.more.hidden = !this.#cursor;
    const focused = document.activeElement;
    const nodes = [];
    let group = null;
    for (const item of items) {
      const name = groupOf(item);
      if (name !== group) nodes.push(el("li", { class: "group", role: "presentation" }, el("h2", {}, name)));
      group = name;
      nodes.push(this.#row(item).element);
    }
    for (const [id, { more }] of this.#rows) {
      if (this.#items.has(id)) continue;
      this.#rows.delete(id);
      if (this.menu.closeAt(more)) byId("new-chat").focus();
    }
    this.#moving = true;
    this.list.replaceChildren(...nodes);
    // Moving a row takes the focus from it.
    if (focused !== document.activeElement && this.list.contains(focused)) focused.focus();
    this.#moving = false;
  }

  #row(item) {
    let row = this.#rows.get(item.id);
    if (!row) {
      row = this.#newRow(item.id);
      this.#rows.set(item.id, row);
    }
    row.title.textContent = item.title || "New conversation";
    row.link.title = item.title || "";
    row.more.setAttribute("aria-label", `More for “${item.title || "New conversation"}”`);
    if (item.id === this.#current) row.link.setAttribute("aria-current", "page");
    else row.link.removeAttribute("aria-current");
    row.element.classList.toggle("busy", this.#busy.has(item.id));
    return row;
  }

  #newRow(id) {
    const title = el("span", { class: "conversation-title", dir: "auto" });
    const link = el("a", { href: `#/c/${id}` }, title, el("span", { class: "busy-dot", "aria-hidden": "true" }));
    const more = el("button", { type: "button", class: "icon-button", "aria-haspopup": "menu", "aria-expanded": "false", onclick: () => this.#openMenu(id) }, icon("more"));
    return { element: el("li", { class: "conversation" }, link, more), link, title, more };
  }

  #openMenu(id) {
    const { pinned } = this.get(id);
    this.menu.open(this.#rows.get(id).more, [
      { label: "Rename", icon: "edit", act: () => this.rename(id) },
      { label: pinned ? "Unpin" : "Pin", icon: "pin", act: () => this.change(id, { pinned: !pinned }) },
      { label: "Export as Markdown", icon: "export", act: () => this.#export(id, "markdown") },
      { label: "Export as JSON", icon: "export", act: () => this.#export(id, "json") },
      { label: "Delete", icon: "trash", danger: true, act: () => this.#delete(id) },
    ]);
  }

  // A field in the place of the title. Enter and leaving it save, Escape does not.
  rename(id) {
    const row = this.#rows.get(id);
    const before = this.get(id).title || "";
    const field = el("input", { type: "text", class: "rename", "aria-label": "Conversation title", maxlength: "200", dir: "auto" });
    field.value = before;
    let done = false;
    const finish = (save) => {
      if (done) return;
      done = true;
      const title = field.value.trim();
      field.replaceWith(row.link);
      row.more.focus();
      if (save && title && title !== before) this.change(id, { title });
    };
    field.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (composing(event) || (event.key !== "Enter" && event.key !== "Escape")) return;
      // The focus moves to a button, which this same key would press.
      event.preventDefault();
      finish(event.key === "Enter");
    });
    // A list that is drawn anew moves the field, which takes the focus from it for a moment.
    field.addEventListener("blur", () => this.#moving || finish(true));
    row.link.replaceWith(field);
    field.select();
  }

  async #export(id, format) {
    try {
      const { name, content } = await this.api.exportConversation(id, format);
      saveFile(name, content);
      announce(`${name} is saved.`);
    } catch (error) {
      this.#tell("fault", error.message);
    }
  }

  async #delete(id) {
    const dialog = byId("delete-dialog");
    byId("delete-name").textContent = this.get(id).title || "New conversation";
    dialog.returnValue = "";
    dialog.showModal();
    await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
    if (dialog.returnValue !== "delete") return;
    this.#deleting.add(id);
    try {
      await this.api.deleteConversation(id);
    } catch (error) {
      this.#deleting.delete(id);
      // Deleted already, in another tab.
      if (error.status !== 404) {
        this.#tell("fault", error.message);
        return;
      }
    }
    this.deleted(id);
    announce("The conversation is deleted.");
    this.#tell("deleted", id);
  }
}

function groupOf({ pinned, updated_at: updated }) {
  if (pinned) return "Pinned";
  const midnight = new Date().setHours(0, 0, 0, 0);
  const time = Date.parse(updated);
  if (time >= midnight) return "Today";
  if (time >= midnight - DAY_MS) return "Yesterday";
  if (time >= midnight - 7 * DAY_MS) return "Last 7 days";
  return "Earlier";
}
