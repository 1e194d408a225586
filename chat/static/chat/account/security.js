// What opens the account: the password, second factors, sign-ins elsewhere.

import { byId, toast } from "../dom.js";
import { Authenticator } from "./authenticator.js";
import { Form, pressed } from "./form.js";
import { Identities } from "./identities.js";
import { Part } from "./parts.js";
import { Passkeys } from "./passkeys.js";

export class Security extends Part {
  constructor(tools) {
    super("security");
    const { api, owner, proof } = tools;
    Object.assign(this, { api, owner, proof });
    this.authenticator = new Authenticator(tools);
    this.passkeys = new Passkeys(tools);
    this.identities = new Identities(tools);
    this.passwordForm = new Form(byId("password-form"), () => this.#changePassword());
    const none = byId("no-password");
    byId("send-password-link").addEventListener("click", ({ currentTarget }) => pressed(currentTarget, () => this.#sendLink(), none.querySelector(".form-fault")));
  }

  async load() {
    await Promise.all([this.owner.refresh(), this.identities.load()]);
    const { user } = this.owner;
    byId("password-form").hidden = !user.has_password;
    byId("no-password").hidden = user.has_password;
    byId("password-form").elements.username.defaultValue = user.email;
  }

  async #changePassword() {
    const fields = { current_password: this.passwordForm.value("current_password"), new_password: this.passwordForm.value("new_password") };
    if (this.owner.hasApp) {
      const wish = { lead: "To change your password.", action: "Change the password", password: false };
      if (!(await this.proof.ask(wish, (proof) => this.api.session.changePassword({ ...fields, ...proof })))) return;
    } else {
      await this.api.session.changePassword(fields);
    }
    this.passwordForm.reset();
    toast("Your password is changed. All other devices were signed out.");
  }

  async #sendLink() {
    const { email } = await this.api.sendPasswordLink(this.owner.user.email);
    toast(`A letter is on its way to ${email}.`);
  }
}
