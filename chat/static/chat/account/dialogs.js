// Dialogs that ask before something is done, and the one that shows what is shown only once.

import { byId, copyText, el, saveFile } from "../dom.js";
import { Form } from "./form.js";

// Stays open until it is done or given up: what is refused is shown in it.
class Asking {
  #send = null;
  #settled = null;

  constructor(name) {
    this.dialog = byId(`${name}-dialog`);
    this.go = byId(`${name}-go`);
    this.form = new Form(byId(`${name}-form`), () => this.#try());
    byId(`${name}-cancel`).addEventListener("click", () => this.close());
    this.dialog.addEventListener("cancel", (event) => this.form.busy && event.preventDefault());
    // The event comes later than the closing: by then the dialog may be open for something else.
    this.dialog.addEventListener("close", () => this.dialog.open || this.form.busy || this.#settle("resolve", null));
  }

  // Not while it is being done.
  close() {
    if (this.dialog.open && !this.form.busy) this.dialog.close();
  }

  // Resolves to {answer}, with what `send` resolved to, or to null when it was given up.
  open(words, danger, send) {
    this.go.textContent = words;
    this.go.className = danger ? "danger-button" : "primary";
    this.#send = send;
    this.form.reset();
    return new Promise((resolve, reject) => {
      this.#settled = { resolve, reject };
      this.dialog.showModal();
    });
  }

  // What the dialog cannot show is for whoever asked.
  isForeign() {
    return false;
  }

  async #try() {
    try {
      this.#settle("resolve", { answer: await this.#send() });
    } catch (error) {
      if (error.status !== 401 && !this.isForeign(error)) throw error;
      this.#settle("reject", error);
    }
    this.dialog.close();
  }

  #settle(how, value) {
    this.#settled?.[how](value);
    this.#settled = null;
  }
}

// "Are you sure?"
export class Sure extends Asking {
  constructor() {
    super("sure");
  }

  ask({ title, words, action, danger = false }, send) {
    byId("sure-title").textContent = title;
    byId("sure-words").textContent = words;
    return this.open(action, danger, send);
  }
}

// "Confirm that it is you": the password and, where there is an authenticator app, its code or a recovery code.
export class Proof extends Asking {
  constructor(owner, signInAgain) {
    super("proof");
    this.owner = owner;
    this.fields = { password: byId("proof-password-field"), code: byId("proof-code-field"), recovery: byId("proof-recovery-field") };
    this.other = byId("proof-other");
    this.other.addEventListener("click", () => this.#askFor(this.fields.recovery.hidden ? "recovery" : "code"));
    byId("proof-again").addEventListener("click", () => {
      this.close();
      signInAgain();
    });
  }

  // Calls `send` with {current_password, code, recovery_code}, of which those are there that were typed, until the server
  // takes it. Rejects with what is wrong with something else.
  //
  // Args: `lead` says what it is for; `password` is whether to ask for it, or it is known already.
  async ask({ lead, action, danger = false, password = true }, send) {
    await this.owner.known();
    const { user, hasApp } = this.owner;
    byId("proof-lead").textContent = lead;
    byId("proof-nothing").hidden = user.has_password || hasApp;
    byId("proof-again").hidden = true;
    this.form.element.elements.username.defaultValue = user.email;
    this.fields.password.hidden = !(password && user.has_password);
    this.fields.code.hidden = !hasApp;
    this.fields.recovery.hidden = true;
    this.other.hidden = !hasApp;
    this.#nameOther();
    const asked = this.open(action, danger, () => this.#sent(send));
    (this.form.shown.find((field) => field.id && field.name) ?? this.go).focus();
    return asked;
  }

  isForeign(error) {
    const own = ["code", "recovery_code", ...this.form.shown.map((field) => field.name)];
    return error.fields?.size > 0 && !own.some((name) => error.fields.has(name));
  }

  async #sent(send) {
    const typed = this.form.shown.filter((field) => field.name && field.value);
    const proof = Object.fromEntries(typed.map(({ name, value }) => [name, name === "current_password" ? value : value.trim()]));
    try {
      return await send(proof);
    } catch (error) {
      byId("proof-again").hidden = error.code !== "sign_in_too_old";
      // An app that was set up in another tab meanwhile.
      if (error.fields?.has("code") && this.fields.code.hidden && this.fields.recovery.hidden) this.#askFor("code");
      throw error;
    }
  }

  #askFor(which) {
    this.fields.code.hidden = which !== "code";
    this.fields.recovery.hidden = which !== "recovery";
    this.other.hidden = false;
    this.#nameOther();
    this.fields[which].querySelector("input").focus();
  }

  #nameOther() {
    this.other.textContent = this.fields.recovery.hidden ? "Use a recovery code instead" : "Use the authenticator app instead";
  }
}

// What nobody can read again. It is closed by the button that says that it was kept, and by nothing else.
export class Once {
  #text = "";
  #name = "";

  constructor() {
    this.dialog = byId("once-dialog");
    this.dialog.addEventListener("cancel", (event) => event.preventDefault());
    // Browsers take a second Escape for one that may not be prevented.
    this.dialog.addEventListener("keydown", (event) => event.key === "Escape" && event.preventDefault());
    byId("once-copy").addEventListener("click", ({ currentTarget }) => copyText(this.#text, currentTarget));
    byId("once-save").addEventListener("click", () => saveFile(this.#name, new Blob([this.#text], { type: "text/plain" })));
    byId("once-done").addEventListener("click", () => {
      this.dialog.close();
      this.#text = "";
      byId("once-list").replaceChildren();
    });
  }

  // `file` is what they are called when they are downloaded.
  show({ title, lead, lines, file }) {
    this.#text = `${lines.join("\n")}\n`;
    this.#name = file;
    byId("once-title").textContent = title;
    byId("once-lead").textContent = lead;
    byId("once-list").replaceChildren(...lines.map((text) => el("li", {}, el("code", {}, text))));
    this.#open();
  }

  // Out of sight while nobody is signed in; whoever has not kept it yet finds it again.
  hide() {
    this.dialog.close();
  }

  showAgain() {
    if (this.#text) this.#open();
  }

  #open() {
    this.dialog.showModal();
    byId("once-title").focus();
  }

  showRecoveryCodes(codes) {
    if (!codes.length) return;
    this.show({
      title: "Keep these recovery codes",
      lead: "Each lets you in once when your app or passkey is not at hand. They are not shown again: keep them where you keep passwords.",
      lines: codes,
      file: "eloquent-recovery-codes.txt",
    });
  }
}
