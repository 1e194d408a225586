// A websocket of ours: opened with a one-use ticket, and one that comes back by itself.

const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 20_000;

// How long to wait before the given try (0 is the first): doubling, with full jitter, so that the pages of a
// restarted server do not all come back in the same moment.
export function backoff_ms(attempt, random = Math.random) {
  const ceiling = Math.min(FIRST_WAIT_MS * 2 ** attempt, LONGEST_WAIT_MS);
  return Math.round(ceiling / 2 + (random() * ceiling) / 2);
}

export class Connection {
  #socket = null;
  #wanted = false;
  #attempt = 0;
  #retry = null;

  // `ticket` resolves to a ticket for the handshake. `opened()`, `heard(text)` and `closed(code)` tell of the socket
  // that is in use; `closed` when it is lost, not when close() was called.
  constructor(path, protocol, ticket, { opened = () => {}, heard, closed = () => {} }) {
    this.path = path;
    this.protocol = protocol;
    this.ticket = ticket;
    this.told = { opened, heard, closed };
    addEventListener("online", () => this.connectNow());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.connectNow());
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  open() {
    this.#wanted = true;
    this.#connect();
  }

  close() {
    this.#wanted = false;
    clearTimeout(this.#retry);
    this.#socket?.close(1000);
    this.#socket = null;
  }

  // Does not wait for the next try: the network came back, or the user asked.
  connectNow() {
    if (!this.#wanted || this.#socket) return;
    clearTimeout(this.#retry);
    this.#attempt = 0;
    this.#connect();
  }

  send(frame) {
    this.#socket.send(JSON.stringify(frame));
  }

  // What came cannot be trusted: begins anew.
  abandon() {
    this.#socket.close(4000);
    this.#lost(4000);
  }

  // It works: the next loss is a new one.
  settle() {
    this.#attempt = 0;
  }

  async #connect() {
    if (this.#socket || !this.#wanted) return;
    // Stands for the connection while the ticket is fetched, so that a second call does not make a second one.
    const place = { readyState: WebSocket.CONNECTING, close: () => {} };
    this.#socket = place;
    let ticket;
    try {
      ticket = await this.ticket();
    } catch {
      if (this.#socket === place) this.#lost(0);
      return;
    }
    if (this.#socket !== place) return;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}${this.path}`, [this.protocol, `ticket.${ticket}`]);
    this.#socket = socket;
    socket.addEventListener("open", () => this.#socket === socket && this.told.opened());
    socket.addEventListener("message", ({ data }) => this.#socket === socket && this.told.heard(data));
    socket.addEventListener("close", ({ code }) => this.#socket === socket && this.#lost(code));
  }

  #lost(code) {
    this.#socket = null;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#connect(), backoff_ms(this.#attempt));
    this.#attempt += 1;
    this.told.closed(code);
  }
}
