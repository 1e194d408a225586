// Signing in with somebody else's account: buttons that lead to the providers, and what a provider's page comes back with.
// The server writes it behind #: openid_error (why nobody was signed in), openid_code (to be exchanged for a session),
// openid_link (to be linked to who is signed in).

import { byId, el } from "./dom.js";

const SENTENCES = {
  openid_declined: "The sign-in was not completed.",
  openid_attempt_unknown: "That sign-in took too long, or was begun in another browser. Please try again.",
  openid_answer_refused: "What came back could not be trusted. Try again, or sign in with your password.",
  openid_email_unproven: "We were not told that your email address is yours. Sign in with your password.",
  openid_link_first: "There is an account with your email address. Sign in with its password; you can link the two in your account.",
  openid_not_registered: "There is no account for you here yet.",
  openid_account_closed: "This account cannot be used any more.",
  openid_provider_away: "The other side cannot be reached right now. Try again in a moment, or sign in with your password.",
  openid_code_refused: "That sign-in cannot be completed. Please try again.",
  identity_taken: "That sign-in belongs to another account.",
  throttled: "Too many attempts. Wait a moment.",
};
const OTHERWISE = "The sign-in did not work. Try again, or sign in with your password.";

export class Elsewhere {
  constructor(session) {
    this.session = session;
    this.told = this.#read();
  }

  // Why nobody was signed in, as a sentence to be said once; nothing when nothing went wrong.
  fault() {
    const { openid_error: code } = this.told;
    delete this.told.openid_error;
    return code ? (SENTENCES[code] ?? OTHERWISE) : "";
  }

  // Puts the buttons below the form. Without providers, or without an answer, the form stands alone.
  async showButtons() {
    const { items } = await this.session.request("GET", "/auth/openid/providers");
    byId("elsewhere").hidden = items.length === 0;
    byId("elsewhere-list").replaceChildren(...items.map((provider) => this.#button(provider)));
  }

  // Signs in with the code that the address had, if it had one and it is still good. Resolves as `Session.signIn` does.
  async collect() {
    const { openid_code: code } = this.told;
    delete this.told.openid_code;
    if (!code) return null;
    try {
      return await this.session.exchange(code);
    } catch (error) {
      this.told.openid_error = error.code;
      return null;
    }
  }

  // Links what the address had to who is signed in; what to say of it, if anything.
  async link() {
    const { openid_link: code } = this.told;
    delete this.told.openid_link;
    if (!code) return this.fault();
    try {
      const { title, email } = await this.session.request("POST", "/me/identities", { code });
      return `${title}${email ? ` (${email})` : ""} now opens your account.`;
    } catch (error) {
      return error.message;
    }
  }

  // Taken out of the address at once: a reload, or a bookmark, must not repeat it.
  #read() {
    const words = new URLSearchParams(location.hash.slice(1));
    const told = Object.fromEntries([...words].filter(([name]) => name.startsWith("openid_")));
    if (Object.keys(told).length) history.replaceState(null, "", location.pathname + location.search);
    return told;
  }

  #button({ name, title }) {
    const link = el("a", { class: "secondary wide elsewhere-button" }, `Continue with ${title}`);
    // Where this page is by then: a conversation that somebody wanted to see is what they come back to.
    const aim = () => {
      const next = encodeURIComponent(location.pathname + location.hash);
      link.href = `${this.session.base}/auth/openid/${name}/start?next=${next}`;
    };
    aim();
    for (const way of ["click", "auxclick", "focus", "pointerenter"]) link.addEventListener(way, aim);
    return link;
  }
}
