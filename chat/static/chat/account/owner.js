// Whose account it is, as far as more than one section must know.

// Events: "changed", when it is known anew what second factors there are.
export class Owner extends EventTarget {
  factors = null;

  constructor(api) {
    super();
    this.api = api;
  }

  get user() {
    return this.api.session.user;
  }

  get hasApp() {
    return Boolean(this.factors?.totp);
  }

  async refresh() {
    this.factors = await this.api.secondFactor();
    this.dispatchEvent(new Event("changed"));
  }

  // Returns when it is known, or cannot be: then the server says what it misses.
  async known() {
    if (this.factors) return;
    try {
      await this.refresh();
    } catch {
      // A request that needs more is refused with a sentence that says so.
    }
  }
}
