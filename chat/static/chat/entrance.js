// What stands before a page: waiting for the server, a fault that keeps everybody out, the form to sign in.

import { AuthForm } from "./auth.js";
import { byId } from "./dom.js";
import { Elsewhere } from "./elsewhere.js";

export class Entrance {
  // `rooms` are the ids of what there is beside these, that of those who are signed in.
  constructor(session, ...rooms) {
    this.session = session;
    this.views = ["loading-view", "fault-view", "auth-view", ...rooms];
    this.elsewhere = new Elsewhere(session);
    this.auth = new AuthForm(session);
    byId("fault-retry").addEventListener("click", () => this.open());
    // The browser kept the page as it was left and shows it again, by its Back button: whoever it is of may have signed
    // out since, on another page.
    addEventListener("pageshow", ({ persisted }) => {
      if (!persisted) return;
      this.show("loading-view");
      location.reload();
    });
  }

  // Signs in whoever was here before, which the session tells; all others are shown the form.
  async open() {
    this.show("loading-view");
    try {
      const challenge = await this.elsewhere.collect();
      if (challenge) {
        this.ask("");
        this.auth.goOn(challenge);
        return;
      }
      if (this.session.user || (await this.session.restore())) return;
    } catch (error) {
      byId("fault-text").textContent = error.message;
      this.show("fault-view");
      byId("fault-retry").focus();
      return;
    }
    this.ask(this.elsewhere.fault());
  }

  // The form, with a note above it.
  ask(note) {
    this.show("auth-view");
    this.auth.show(note);
    // Without them one can still sign in with the password.
    this.elsewhere.showButtons().catch(() => {});
  }

  show(view) {
    for (const id of this.views) byId(id).hidden = id !== view;
  }
}
