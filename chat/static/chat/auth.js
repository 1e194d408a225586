// The form to sign in and to create an account; what comes after the password is in second-step.js.

import { passkeysWork, showPasskey } from "../accounts/passkeys.js";
import { byId, el } from "./dom.js";
import { SecondStep } from "./second-step.js";

export class AuthForm {
  #creating = false;
  // Without mail there is no way to a new password.
  #canForget = true;

  constructor(session) {
    this.session = session;
    this.form = byId("auth-form");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.form.addEventListener("input", (event) => this.#clearFault(event.target));
    byId("auth-switch").addEventListener("click", () => this.#switch(!this.#creating));
    byId("show-password").addEventListener("click", () => this.#togglePassword());
    byId("passkey-sign-in").addEventListener("click", () => this.#usePasskey());
    this.second = new SecondStep(session);
    this.second.addEventListener("left", ({ detail }) => this.show(detail));
    this.#switch(false);
  }

  // Shows the form's start, with a note above it (why the user is here again), and the cursor in its first field.
  show(note = "") {
    this.second.hide();
    this.form.hidden = false;
    byId("auth-other").hidden = byId("invited").hidden = false;
    this.form.reset();
    this.#askWhoMay();
    this.#switch(false);
    byId("auth-note").textContent = note;
    byId("auth-note").hidden = !note;
    this.#first().focus();
  }

  // Offers what this service lets people do. Without an answer everything is offered, and refused with a reason.
  async #askWhoMay() {
    let may;
    try {
      may = await this.session.request("GET", "/auth/registration");
    } catch {
      return;
    }
    byId("auth-other").hidden = may.mode === "closed" || may.mode === "invitation";
    byId("invited").hidden = may.mode === "closed";
    this.#canForget = may.mail;
    byId("forgot-password").hidden = this.#creating || !may.mail;
  }

  #first() {
    return this.form.elements[this.#creating ? "name" : "email"];
  }

  #switch(creating) {
    this.#creating = creating;
    byId("auth-title").textContent = creating ? "Create your account" : "Welcome back";
    byId("auth-submit").textContent = creating ? "Create account" : "Sign in";
    byId("auth-question").textContent = creating ? "Already have an account?" : "New here?";
    byId("auth-switch").textContent = creating ? "Sign in" : "Create an account";
    byId("name-field").hidden = !creating;
    byId("password-hint").hidden = !creating;
    byId("passkey-sign-in").hidden = creating || !passkeysWork();
    byId("forgot-password").hidden = creating || !this.#canForget;
    this.form.elements.password.setAttribute("autocomplete", creating ? "new-password" : "current-password");
    this.#showFaults(null);
    if (!byId("auth-view").hidden) this.#first().focus();
  }

  #togglePassword() {
    const field = this.form.elements.password;
    const shown = field.type === "text";
    field.type = shown ? "password" : "text";
    byId("show-password").setAttribute("aria-pressed", String(!shown));
    byId("show-password").textContent = shown ? "Show" : "Hide";
    field.focus();
  }

  async #submit() {
    const { name, email, password } = this.form.elements;
    this.#showFaults(null);
    const missing = !email.value.trim() ? [email, "Enter your email address."] : !password.value ? [password, "Enter your password."] : null;
    if (missing) {
      this.#fault(...missing);
      missing[0].focus();
      return;
    }
    await this.#send(byId("auth-submit"), async () => {
      const next = this.#creating
        ? await this.session.signUp(name.value.trim(), email.value.trim(), password.value)
        : await this.session.signIn(email.value.trim(), password.value);
      if (next?.verification) return this.show(`A letter is on its way to ${next.email}. Open its link, then sign in.`);
      this.goOn(next);
      this.form.reset();
    });
  }

  #usePasskey() {
    return this.#send(byId("passkey-sign-in"), async () => {
      await this.session.signInWithPasskey(await showPasskey(await this.session.passkeyOptions()));
      this.form.reset();
    });
  }

  // The password was right: null is all, else there is a second step.
  goOn(challenge) {
    if (!challenge) return;
    this.form.hidden = true;
    byId("auth-other").hidden = byId("invited").hidden = true;
    byId("auth-note").hidden = true;
    byId("auth-title").textContent = "One more step";
    this.second.show(challenge);
  }

  async #send(button, ask) {
    this.#showFaults(null);
    button.disabled = true;
    button.classList.add("busy");
    try {
      await ask();
    } catch (error) {
      this.#showFaults(error);
    } finally {
      button.disabled = false;
      button.classList.remove("busy");
    }
  }

  #showFaults(error) {
    const summary = byId("auth-error");
    for (const field of ["name", "email", "password"]) this.#fault(this.form.elements[field], "");
    summary.hidden = !error;
    summary.textContent = error?.message ?? "";
    if (!error) return;
    if (error.code === "password_change_required") summary.append(" ", el("a", { href: "/account/own-password" }, "Set your own password"));
    let first = null;
    for (const [name, fault] of error.fields ?? []) {
      const field = this.form.elements[name];
      if (!(field instanceof HTMLInputElement)) continue;
      this.#fault(field, fault);
      first ??= field;
    }
    // What stands at the fields need not be said above them too.
    if (first) summary.hidden = true;
    (first ?? this.form.elements.password).focus();
  }

  #fault(field, sentence) {
    const place = byId(`${field.name}-fault`);
    place.replaceChildren(sentence ? el("span", {}, sentence) : "");
    if (sentence) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }

  #clearFault(field) {
    if (field.hasAttribute("aria-invalid")) this.#fault(field, "");
  }
}
