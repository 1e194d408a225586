// The REST API's resources, as functions.

export class Api {
  constructor(session) {
    this.session = session;
  }

  // A page of the list: {items, next_cursor}. The same shape for every list.
  conversations(cursor) {
    return this.session.request("GET", `/conversations${query({ limit: 30, cursor })}`);
  }

  conversation(id) {
    return this.session.request("GET", `/conversations/${id}`);
  }

  createConversation(fields) {
    return this.session.request("POST", "/conversations", fields);
  }

  changeConversation(id, fields) {
    return this.session.request("PATCH", `/conversations/${id}`, fields);
  }

  deleteConversation(id) {
    return this.session.request("DELETE", `/conversations/${id}`);
  }

  // The newest messages of the branch shown, oldest first, each with its place among its siblings; the cursor leads to
  // older ones.
  messages(conversationId, cursor) {
    return this.session.request("GET", `/conversations/${conversationId}/messages${query({ limit: 30, siblings: true, cursor })}`);
  }

  // Makes the newest branch through the message the one shown.
  showMessage(id) {
    return this.session.request("POST", `/messages/${id}/show`);
  }

  // Messages that have all words, best first. A hit's `excerpt` is [{text, match}].
  search(words, cursor) {
    return this.session.request("GET", `/search${query({ q: words, cursor })}`);
  }

  // {name, content}: the conversation as a file, "markdown" or "json".
  exportConversation(id, format) {
    return this.session.download(`/conversations/${id}/export${query({ format })}`);
  }

  // What it takes to make an account, and how emails are proven.
  registration() {
    return this.session.request("GET", "/auth/registration");
  }

  // Has the letter that proves the user's email sent again: {email}.
  sendVerification() {
    return this.session.request("POST", "/auth/verify-email/resend");
  }

  async models() {
    return (await this.session.request("GET", "/models")).items;
  }

  stopRun(id) {
    return this.session.request("POST", `/runs/${id}/stop`);
  }

  // Uploads a file to be sent with a message. `moved` is told the share that is under way, from 0 to 1.
  attach(content, name, moved, signal) {
    return this.session.upload(`/attachments${query({ name })}`, content, { moved, signal });
  }

  // What is known of it, with an address that opens for ten minutes.
  attachment(id) {
    return this.session.request("GET", `/attachments/${id}`);
  }

  deleteAttachment(id) {
    return this.session.request("DELETE", `/attachments/${id}`);
  }

  async socketTicket() {
    return (await this.session.request("POST", "/auth/socket-ticket")).ticket;
  }
}

function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}
