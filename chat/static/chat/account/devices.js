// Where the user is signed in.

import { byId, el, toast } from "../dom.js";
import { pressed } from "./form.js";
import { Listing, Part, action, rowOf } from "./parts.js";
import { ago, line, placeOf } from "./words.js";

const WAYS = {
  password: "with the password",
  passkey: "with a passkey",
  identity_provider: "with a linked sign-in",
  reset_link: "with the link in a letter",
  registration: "by registering",
};

export class Devices extends Part {
  constructor({ api, sure }) {
    super("devices");
    Object.assign(this, { api, sure });
    this.list = new Listing(byId("device-list"), { more: byId("devices-more"), read: (cursor) => api.sessions(cursor), row: (session) => this.#row(session), empty: "None." });
    byId("end-others").addEventListener("click", ({ currentTarget }) => pressed(currentTarget, () => this.#endOthers(), this.list.fault));
    byId("end-all").addEventListener("click", ({ currentTarget }) => pressed(currentTarget, () => this.#endAll()));
  }

  async load() {
    await this.list.load();
    this.#showOthers();
  }

  #showOthers() {
    byId("end-others").hidden = this.list.list.querySelectorAll("[data-other]").length === 0;
  }

  #row(session) {
    const { id, label, ip, current, created_at: since, last_seen_at: seen, signed_in_with: way } = session;
    const end = (button) => pressed(button, () => (current ? this.api.session.signOut() : this.#end(row, id, label)), this.list.fault);
    const row = rowOf(pictureOf(label), label, {
      badge: current && "This device",
      about: [line(placeOf(session), ip, current ? "in use now" : el("span", {}, "last seen ", ago(seen))), line(el("span", {}, "signed in ", WAYS[way] ?? "", " ", ago(since)))],
      actions: [action("Sign out", current ? "this device" : label, end)],
    });
    if (!current) row.dataset.other = "";
    return row;
  }

  async #end(row, id, label) {
    try {
      await this.api.endSession(id);
    } catch (error) {
      if (error.status !== 404) throw error; // it has ended by itself
    }
    this.list.remove(row, this.title);
    this.#showOthers();
    toast(`${label} is signed out.`);
  }

  async #endOthers() {
    await this.api.endOtherSessions();
    await this.load();
    this.title.focus();
    toast("All other devices are signed out.");
  }

  async #endAll() {
    const wish = { title: "Sign out everywhere?", words: "All your devices are signed out, this one too.", action: "Sign out everywhere" };
    if (await this.sure.ask(wish, () => this.api.endAllSessions())) this.api.session.left("asked");
  }
}

function pictureOf(label) {
  if (/iPhone|iPad|Android/.test(label)) return "phone";
  return /program|curl/.test(label) ? "program" : "computer";
}
