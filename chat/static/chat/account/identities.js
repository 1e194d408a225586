// Accounts elsewhere that open this one. Where no provider is configured and none is linked, there is nothing to show.

import { byId, el, toast } from "../dom.js";
import { pressed } from "./form.js";
import { action, rowOf } from "./parts.js";
import { ago, line } from "./words.js";

// Where the provider's page leads back to; what it has to say stands behind #.
const BACK = "/account";

export class Identities {
  constructor({ api, proof }) {
    Object.assign(this, { api, proof });
    this.list = byId("identity-list");
  }

  async load() {
    const [linked, providers] = await Promise.all([this.api.identities(), this.api.providers()]);
    byId("identities").hidden = !linked.length && !providers.length;
    this.list.replaceChildren(...linked.map((identity) => this.#row(identity)));
    if (!linked.length) this.list.append(el("li", { class: "row-none" }, "None is linked yet."));
    byId("identity-offers").replaceChildren(...providers.map((provider) => this.#offer(provider)));
  }

  #row({ id, title, email, created_at: made, last_used_at: used }) {
    const unlink = (button) => pressed(button, () => this.#unlink(id, title));
    return rowOf("link", title, {
      about: [line(email, el("span", {}, "linked ", ago(made)), used && el("span", {}, "used ", ago(used)))],
      actions: [action("Unlink", title, unlink)],
    });
  }

  #offer({ name, title }) {
    const begin = ({ currentTarget }) => pressed(currentTarget, () => this.#link(name, title));
    return el("button", { type: "button", class: "secondary", onclick: begin }, `Link ${title}`);
  }

  async #link(name, title) {
    const done = await this.proof.ask({ lead: `To link ${title}. You go to its page to sign in there, and come back.`, action: `Go to ${title}` }, (proof) => this.api.beginLink(name, BACK, proof));
    if (done) location.assign(done.answer);
  }

  async #unlink(id, title) {
    const lead = `To unlink ${title}: it opens your account no more.`;
    if (!(await this.proof.ask({ lead, action: "Unlink", danger: true }, (proof) => this.api.unlink(id, proof)))) return;
    toast(`${title} is unlinked.`);
    await this.load();
    byId("identities-title").focus();
  }
}
