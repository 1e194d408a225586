// The user's name and email.

import { byId, el, toast } from "../dom.js";
import { Form, pressed } from "./form.js";
import { Part } from "./parts.js";
import { momentOf } from "./words.js";

export class Profile extends Part {
  #savedName = null;

  // `renamed` is called when the account has another name.
  constructor({ api, owner, proof, renamed }) {
    super("profile");
    Object.assign(this, { api, owner, proof, renamed });
    this.nameForm = new Form(byId("name-form"), () => this.#rename());
    this.emailForm = new Form(byId("email-form"), () => this.#changeEmail());
    byId("send-letter").addEventListener("click", ({ currentTarget }) => pressed(currentTarget, () => this.#sendLetter()));
    byId("cancel-email").addEventListener("click", ({ currentTarget }) => pressed(currentTarget, () => this.#cancel()));
  }

  async load() {
    const [state, { mail, email_verification: verification }] = await Promise.all([this.api.email(), this.api.registration()]);
    this.#showName();
    this.#showEmail(state);
    byId("email-form").hidden = !mail;
    byId("email-fixed").hidden = mail;
    byId("email-unproven").hidden = state.email_verified || !mail || verification === "off";
  }

  // What is being typed stays.
  #showName() {
    const field = byId("own-name");
    if (this.#savedName !== null && field.value !== this.#savedName) return;
    this.#savedName = field.value = this.owner.user.name;
  }

  #showEmail({ email, email_verified: proven, pending }) {
    byId("email-now").textContent = email;
    const state = byId("email-state");
    state.textContent = proven ? "Confirmed" : "Not confirmed";
    state.className = proven ? "badge good" : "badge doubtful";
    byId("email-pending").hidden = !pending;
    if (!pending) return;
    const waits = [!pending.new_confirmed && "the new address", pending.current_confirmed === false && "your address so far"].filter(Boolean);
    byId("email-pending-words").replaceChildren(
      "It changes to ",
      el("strong", {}, pending.new_email),
      ` when the link in the letter to ${waits.join(" and in the one to ")} is opened, until ${momentOf(pending.expires_at)}.`,
    );
  }

  async #rename() {
    const user = await this.api.rename(this.nameForm.value("name").trim());
    this.renamed(user);
    this.#savedName = byId("own-name").value = user.name;
    toast("Your name is saved.");
  }

  async #changeEmail() {
    const email = this.emailForm.value("new_email").trim();
    const done = await this.proof.ask({ lead: `To change your email to ${email}.`, action: "Send the letters" }, (proof) => this.api.changeEmail(email, proof));
    if (!done) return;
    this.emailForm.reset();
    await this.load();
    toast("Letters are on their way.");
  }

  async #sendLetter() {
    try {
      const { email } = await this.api.sendVerification();
      toast(`A letter is on its way to ${email}.`);
    } catch (error) {
      if (error.status !== 409) throw error;
      await this.open(); // it was confirmed meanwhile, in another tab
    }
  }

  async #cancel() {
    await this.api.cancelEmailChange();
    byId("email-pending").hidden = true;
    byId("new-email").focus();
    toast("Your email stays as it is.");
  }
}
