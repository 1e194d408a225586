// The passkeys: made, renamed, removed.

import { createPasskey, passkeysWork } from "../../accounts/passkeys.js";
import { byId, el, toast } from "../dom.js";
import { Form, pressed } from "./form.js";
import { action, rowOf } from "./parts.js";
import { ago, line } from "./words.js";

export class Passkeys {
  constructor({ api, owner, proof, once }) {
    Object.assign(this, { api, owner, proof, once });
    this.list = byId("passkey-list");
    this.form = new Form(byId("passkey-form"), () => this.#add());
    byId("passkey-form").hidden = !passkeysWork();
    byId("no-passkeys-here").hidden = passkeysWork();
    owner.addEventListener("changed", () => this.#show());
  }

  #show() {
    const { passkeys } = this.owner.factors;
    this.list.replaceChildren(...passkeys.map((passkey) => this.#row(passkey)));
    if (!passkeys.length) this.list.append(el("li", { class: "row-none" }, "There is no passkey yet."));
  }

  #row(passkey) {
    const { name, created_at: made, last_used_at: used, suspected_at: suspected, backed_up: synced } = passkey;
    const row = rowOf("key", name, {
      alarming: Boolean(suspected),
      about: [
        suspected && el("p", { class: "row-alarm" }, "There may be a copy of it. Remove it, and make another."),
        line(synced ? "kept by your password manager" : "on one device alone", el("span", {}, "made ", ago(made)), used ? el("span", {}, "used ", ago(used)) : "never used"),
      ].filter(Boolean),
      actions: [action("Rename", name, () => this.#edit(row, passkey)), action("Remove", name, (button) => pressed(button, () => this.#remove(passkey)))],
    });
    return row;
  }

  async #add() {
    const name = this.form.value("name").trim();
    const done = await this.proof.ask({ lead: `To add the passkey “${name}”.`, action: "Go on" }, (proof) => this.api.passkeyOptions(proof));
    if (!done) return;
    const passkey = await createPasskey(done.answer);
    const { recovery_codes: codes } = await this.api.addPasskey({ passkey, name, end_other_sessions: this.form.element.elements.end_other_sessions.checked });
    this.form.reset();
    this.once.showRecoveryCodes(codes);
    toast(`The passkey “${name}” is added.`);
    await this.owner.refresh();
  }

  // A form in the row's place.
  #edit(row, { id, name }) {
    const input = el("input", { id: "passkey-rename", name: "name", "aria-label": "Name of the passkey", maxlength: 80, required: true, "data-missing": "Give it a name.", "aria-describedby": "passkey-rename-fault", dir: "auto", autocomplete: "off" });
    input.value = name;
    const leave = () => {
      this.#show();
      const at = this.owner.factors.passkeys.findIndex((each) => each.id === id);
      this.list.children[at]?.querySelector("button").focus();
    };
    const form = el(
      "form",
      { class: "row-edit", novalidate: true, onkeydown: (event) => event.key === "Escape" && leave() },
      el("div", { class: "field" }, input, el("p", { id: "passkey-rename-fault", class: "field-fault", role: "alert" })),
      el("button", { type: "submit", class: "small-button" }, "Save"),
      el("button", { type: "button", class: "small-button", onclick: leave }, "Cancel"),
      el("p", { class: "form-fault", role: "alert", hidden: true }),
    );
    new Form(form, async () => {
      await this.api.renamePasskey(id, input.value.trim());
      await this.owner.refresh();
      leave();
    });
    row.replaceChildren(form);
    input.select();
    input.focus();
  }

  async #remove({ id, name }) {
    const last = this.owner.factors.passkeys.length === 1 && !this.owner.hasApp;
    const lead = `To remove the passkey “${name}”.${last ? " Your password alone lets you in then, and the recovery codes go, too." : ""}`;
    if (!(await this.proof.ask({ lead, action: "Remove the passkey", danger: true }, (proof) => this.api.removePasskey(id, proof)))) return;
    toast(`The passkey “${name}” is removed.`);
    await this.owner.refresh();
    byId("passkeys-title").focus();
  }
}
