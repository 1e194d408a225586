// The authenticator app, from its QR code to its removal, and the recovery codes.

import { byId, copyText, toast } from "../dom.js";
import { Form, pressed } from "./form.js";
import { dayOf } from "./words.js";

const FEW = 3;

export class Authenticator {
  constructor({ api, owner, proof, once }) {
    Object.assign(this, { api, owner, proof, once });
    this.form = new Form(byId("totp-form"), () => this.#confirm());
    const buttons = { "totp-begin": () => this.#begin(), "totp-remove": () => this.#remove(), "recovery-make": () => this.#makeCodes() };
    for (const [id, work] of Object.entries(buttons)) byId(id).addEventListener("click", ({ currentTarget }) => pressed(currentTarget, work));
    byId("totp-copy").addEventListener("click", ({ currentTarget }) => copyText(byId("totp-secret").textContent, currentTarget));
    byId("totp-cancel").addEventListener("click", () => {
      this.#forget();
      byId("totp-begin").focus();
    });
    owner.addEventListener("changed", () => this.#show());
  }

  #show() {
    const { totp, required, enabled, recovery_codes_left: left } = this.owner.factors;
    byId("totp-state").textContent = totp ? "On" : "Off";
    byId("totp-state").className = totp ? "badge good" : "badge";
    byId("totp-words").textContent = totp
      ? `Whoever signs in with your password needs a code of your app, too. Set up on ${dayOf(totp.added_at)}.`
      : "An app on your phone shows a code that changes every half minute. With it, your password alone lets nobody in.";
    byId("totp-remove").hidden = !totp;
    byId("totp-begin").hidden = Boolean(totp) || !byId("totp-form").hidden;
    byId("factor-required").hidden = enabled || !required;
    byId("recovery").hidden = !enabled;
    byId("recovery-left").textContent = `${left} left`;
    byId("recovery-left").className = left > FEW ? "badge" : "badge doubtful";
  }

  async #begin() {
    const done = await this.proof.ask({ lead: "To set up an authenticator app.", action: "Go on" }, (proof) => this.api.beginTotp(proof));
    if (!done) return;
    byId("totp-picture").src = done.answer.qr_svg;
    byId("totp-link").href = done.answer.otpauth_url;
    // In groups of four it is easier to type; apps do not mind the blanks.
    byId("totp-secret").textContent = done.answer.secret.match(/.{1,4}/g).join(" ");
    this.form.reset();
    byId("totp-form").hidden = false;
    byId("totp-begin").hidden = true;
    // The picture stays in sight.
    byId("totp-code").focus({ preventScroll: true });
    byId("totp-form").scrollIntoView({ block: "nearest" });
  }

  async #confirm() {
    const { code, end_other_sessions: endOthers } = this.form.element.elements;
    const codes = await this.api.confirmTotp({ code: code.value.trim(), end_other_sessions: endOthers.checked });
    this.#forget();
    // They are shown before anything else can go wrong.
    this.once.showRecoveryCodes(codes);
    toast("Your authenticator app is set up.");
    await this.owner.refresh();
  }

  #forget() {
    byId("totp-form").hidden = true;
    byId("totp-begin").hidden = false;
    byId("totp-secret").textContent = "";
    byId("totp-picture").removeAttribute("src");
    byId("totp-link").removeAttribute("href");
    this.form.reset();
  }

  async #remove() {
    const last = !this.owner.factors.passkeys.length;
    const lead = last ? "To remove the authenticator app. Your password alone lets you in then, and the recovery codes go, too." : "To remove the authenticator app.";
    if (!(await this.proof.ask({ lead, action: "Remove the app", danger: true }, (proof) => this.api.removeTotp(proof)))) return;
    toast("The authenticator app is removed.");
    await this.owner.refresh();
    byId("totp-begin").focus();
  }

  async #makeCodes() {
    const lead = "To make ten new recovery codes. Those that you have are good no more.";
    const done = await this.proof.ask({ lead, action: "Make new codes" }, (proof) => this.api.makeRecoveryCodes(proof));
    if (!done) return;
    this.once.showRecoveryCodes(done.answer);
    await this.owner.refresh();
  }
}
