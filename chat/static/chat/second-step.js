// The second step of signing in: a code of the authenticator app, a recovery code, or a passkey.

import { passkeysWork, showPasskey } from "../accounts/passkeys.js";
import { byId, el } from "./dom.js";

const WORDS = {
  totp: { lead: "Enter the code that your authenticator app shows.", label: "Code", other: "Use your authenticator app" },
  recovery_code: { lead: "Enter one of the recovery codes that you kept. Each is good once.", label: "Recovery code", other: "Use a recovery code" },
  passkey: { lead: "Your account asks for a passkey." },
};

// Events: "left" (detail: a sentence that says why, or none) when one is to begin again.
export class SecondStep extends EventTarget {
  #challenge = null;
  #method = null;

  constructor(session) {
    super();
    this.session = session;
    this.form = byId("factor-form");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send(byId("factor-submit"), () => this.#typed());
    });
    this.form.addEventListener("input", () => this.#fault(""));
    byId("factor-passkey").addEventListener("click", () => this.#send(byId("factor-passkey"), () => this.#passkey()));
    byId("factor-other").addEventListener("click", () => this.#choose(this.#other()));
    byId("factor-back").addEventListener("click", () => this.#leave(""));
  }

  // `challenge` is {challenge, methods}, as the server answered to the first step.
  show(challenge) {
    this.#challenge = challenge;
    this.form.hidden = false;
    const typed = this.#typeable();
    byId("factor-passkey").hidden = !this.#offers("passkey");
    // A passkey is asked for by a button; where there is none to press, there is a code to type.
    this.#choose(typed.includes("totp") ? "totp" : this.#offers("passkey") ? "passkey" : (typed[0] ?? "passkey"));
  }

  hide() {
    this.#challenge = null;
    this.form.hidden = true;
    this.form.reset();
    this.#fault("");
  }

  #offers(method) {
    return this.#challenge.methods.includes(method) && (method !== "passkey" || passkeysWork());
  }

  #typeable() {
    return ["totp", "recovery_code"].filter((method) => this.#offers(method));
  }

  // What may be typed in place of what is asked for now.
  #other() {
    return this.#typeable().find((method) => method !== this.#method) ?? null;
  }

  #choose(method) {
    this.#method = method;
    const typed = method !== "passkey";
    const input = this.form.elements.code;
    byId("factor-lead").textContent = WORDS[method].lead;
    byId("factor-label").textContent = WORDS[method].label ?? "";
    byId("factor-field").hidden = byId("factor-submit").hidden = !typed;
    byId("factor-passkey").classList.toggle("primary", !typed);
    byId("factor-passkey").classList.toggle("secondary", typed);
    input.value = "";
    input.inputMode = method === "totp" ? "numeric" : "text";
    const other = byId("factor-other");
    other.hidden = this.#other() === null;
    other.textContent = WORDS[this.#other()]?.other ?? "";
    this.#fault("");
    (typed ? input : byId("factor-passkey")).focus();
  }

  async #typed() {
    const input = this.form.elements.code;
    const value = input.value.trim();
    if (!value) {
      this.#fault("Enter the code.");
      input.focus();
      return;
    }
    const name = this.#method === "totp" ? "code" : "recovery_code";
    await this.session.answerChallenge(this.#challenge.challenge, { [name]: value });
    this.hide();
  }

  async #passkey() {
    const { challenge } = this.#challenge;
    await this.session.answerChallenge(challenge, { passkey: await showPasskey(await this.session.passkeyOptions(challenge)) });
    this.hide();
  }

  async #send(button, ask) {
    this.#fault("");
    button.disabled = true;
    button.classList.add("busy");
    try {
      await ask();
    } catch (error) {
      if (error.status === 401) this.#leave(error.message);
      else this.#refused(error);
    } finally {
      button.disabled = false;
      button.classList.remove("busy");
    }
  }

  #refused(error) {
    this.#fault(error.message);
    if (this.#method === "passkey") return;
    this.form.elements.code.select();
    this.form.elements.code.focus();
  }

  #leave(why) {
    this.hide();
    this.dispatchEvent(new CustomEvent("left", { detail: why }));
  }

  #fault(sentence) {
    byId("factor-fault").replaceChildren(sentence ? el("span", {}, sentence) : "");
    if (sentence && this.#method !== "passkey") this.form.elements.code.setAttribute("aria-invalid", "true");
    else this.form.elements.code.removeAttribute("aria-invalid");
  }
}
