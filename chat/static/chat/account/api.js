// The account's resources, as functions. `proof` is what the owner typed to confirm that it is them.

export class AccountApi {
  constructor(session) {
    this.session = session;
  }

  #get(path) {
    return this.session.request("GET", path);
  }

  #page(path, cursor, limit = 30) {
    return this.#get(`${path}?${new URLSearchParams({ limit, ...(cursor && { cursor }) })}`);
  }

  #post(path, body) {
    return this.session.request("POST", path, body);
  }

  #delete(path, body) {
    return this.session.request("DELETE", path, body);
  }

  // The account under its new name.
  rename(name) {
    return this.session.request("PATCH", "/me", { name });
  }

  // {email, email_verified, pending}.
  email() {
    return this.#get("/me/email");
  }

  changeEmail(email, proof) {
    return this.#post("/me/email", { new_email: email, ...proof });
  }

  cancelEmailChange() {
    return this.#delete("/me/email");
  }

  // Has the letter sent again that proves the email: {email}.
  sendVerification() {
    return this.#post("/auth/verify-email/resend");
  }

  // Has a letter sent with a link that sets a password: {email}.
  sendPasswordLink(email) {
    return this.#post("/auth/password/forgot", { email });
  }

  // What this service lets people do, and whether it sends letters.
  registration() {
    return this.#get("/auth/registration");
  }

  sessions(cursor) {
    return this.#page("/auth/sessions", cursor);
  }

  endSession(id) {
    return this.#delete(`/auth/sessions/${id}`);
  }

  endOtherSessions() {
    return this.#delete("/auth/sessions");
  }

  endAllSessions() {
    return this.session.ending(() => this.#delete("/auth/sessions?all=true"));
  }

  secondFactor() {
    return this.#get("/me/second-factor");
  }

  // {secret, otpauth_url, qr_svg, expires_in}.
  beginTotp(proof) {
    return this.#post("/me/second-factor/totp", proof);
  }

  // `fields` are {code, end_other_sessions}. The recovery codes, where these are the first.
  async confirmTotp(fields) {
    return (await this.#post("/me/second-factor/totp/confirm", fields)).recovery_codes;
  }

  removeTotp(proof) {
    return this.#delete("/me/second-factor/totp", proof);
  }

  async makeRecoveryCodes(proof) {
    return (await this.#post("/me/second-factor/recovery-codes", proof)).recovery_codes;
  }

  // What a new passkey is made with.
  async passkeyOptions(proof) {
    return (await this.#post("/me/passkeys/options", proof)).options;
  }

  // `fields` are {passkey, name, end_other_sessions}. The passkey, with recovery codes where these are the first.
  addPasskey(fields) {
    return this.#post("/me/passkeys", fields);
  }

  renamePasskey(id, name) {
    return this.session.request("PATCH", `/me/passkeys/${id}`, { name });
  }

  removePasskey(id, proof) {
    return this.#delete(`/me/passkeys/${id}`, proof);
  }

  async identities() {
    return (await this.#get("/me/identities")).items;
  }

  // Where else one may sign in: [{name, title}].
  async providers() {
    return (await this.#get("/auth/openid/providers")).items;
  }

  // The page of the provider to open. It leads back to `next`.
  async beginLink(provider, next, proof) {
    return (await this.#post(`/me/identities/${provider}/start`, { next, ...proof })).url;
  }

  unlink(id, proof) {
    return this.#delete(`/me/identities/${id}`, proof);
  }

  keys(cursor) {
    return this.#page("/me/api-keys", cursor);
  }

  // `fields` are {name, scopes, expires_at}. The key, with its secret.
  makeKey(fields, proof) {
    return this.#post("/me/api-keys", { ...fields, ...proof });
  }

  revokeKey(id) {
    return this.#delete(`/me/api-keys/${id}`);
  }

  activity(cursor) {
    return this.#page("/me/activity", cursor, 20);
  }

  exports() {
    return this.#page("/me/exports", null);
  }

  askForExport(proof) {
    return this.#post("/me/exports", proof);
  }

  export(id) {
    return this.#get(`/me/exports/${id}`);
  }

  // {name, content}. It may be large, and the line slow.
  exportContent(id) {
    return this.session.download(`/me/exports/${id}/content`, 3_600_000);
  }

  // {receipt, due_at, …}. Ends this session.
  erase(proof) {
    return this.session.ending(() => this.#post("/me/erasure", proof));
  }

  // Ends this session.
  deactivate(proof) {
    return this.session.ending(() => this.#post("/me/deactivate", proof));
  }
}
