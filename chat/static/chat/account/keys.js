// API keys for programs.

import { byId, el, toast } from "../dom.js";
import { Form, pressed } from "./form.js";
import { Listing, Part, action, rowOf } from "./parts.js";
import { ago, dayOf, line } from "./words.js";

const SCOPES = { chat: "answers and vectors", embeddings: "vectors", models: "list of models" };
const DAY_MS = 86_400_000;

export class Keys extends Part {
  constructor({ api, proof, once, sure }) {
    super("keys");
    Object.assign(this, { api, proof, once, sure });
    this.form = new Form(byId("key-form"), () => this.#make());
    this.list = new Listing(byId("key-list"), { more: byId("keys-more"), read: (cursor) => api.keys(cursor), row: (key) => this.#row(key), empty: "There is no key yet." });
  }

  load() {
    return this.list.load();
  }

  #row({ id, name, prefix, scopes, created_at: made, expires_at: ends, last_used_at: used, requests_per_minute: pace }) {
    const row = rowOf("key", name, {
      about: [
        line(el("code", {}, `${prefix}…`), ...scopes.map((scope) => SCOPES[scope] ?? scope), pace && `${pace} requests a minute`),
        line(el("span", {}, "made ", ago(made)), used ? el("span", {}, "used ", ago(used)) : "never used", ends ? `good until ${dayOf(ends)}` : "good until it is revoked"),
      ],
      actions: [action("Revoke", name, (button) => pressed(button, () => this.#revoke(row, id, name)))],
    });
    return row;
  }

  async #make() {
    const { name, days, scopes } = this.form.element.elements;
    const chosen = [...scopes].filter((box) => box.checked).map((box) => box.value);
    if (!chosen.length) {
      byId("key-scopes-fault").replaceChildren(el("span", {}, "Choose at least one."));
      scopes[0].focus();
      return;
    }
    const fields = { name: name.value.trim(), scopes: chosen, expires_at: days.value ? new Date(Date.now() + days.value * DAY_MS).toISOString() : null };
    const done = await this.proof.ask({ lead: `To make the API key “${fields.name}”.`, action: "Make the key" }, (proof) => this.api.makeKey(fields, proof));
    if (!done) return;
    const { secret, ...key } = done.answer;
    this.form.reset();
    this.list.add(key);
    this.once.show({ title: "Your new API key", lead: `Give it to the program, with the address ${location.origin}/v1. It is not shown again.`, lines: [secret], file: "eloquent-api-key.txt" });
  }

  async #revoke(row, id, name) {
    const wish = { title: "Revoke this key?", words: `Programs that use “${name}” are refused within a second, for good.`, action: "Revoke the key", danger: true };
    if (!(await this.sure.ask(wish, () => this.#gone(id)))) return;
    this.list.remove(row, this.title);
    toast(`The key “${name}” is revoked.`);
  }

  async #gone(id) {
    try {
      await this.api.revokeKey(id);
    } catch (error) {
      if (error.status !== 404) throw error; // it was revoked elsewhere
    }
  }
}
