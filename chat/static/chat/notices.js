// What happens to the user's conversations in other tabs and on other devices, as the server tells it. A notice may be
// lost: after "listening" the lists are to be read again.

import { backoff_ms } from "./socket.js";

const PROTOCOL = "eloquent.notices.v1";

// Events: "listening", and "notice" (detail: the frame).
export class Notices extends EventTarget {
  #socket = null;
  #wanted = false;
  #attempt = 0;
  #retry = null;

  // `ticket` resolves to a one-use ticket for the handshake.
  constructor(ticket) {
    super();
    this.ticket = ticket;
    addEventListener("online", () => this.#connectNow());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#connectNow());
  }

  open() {
    this.#wanted = true;
    this.#connectNow();
  }

  close() {
    this.#wanted = false;
    clearTimeout(this.#retry);
    this.#socket?.close(1000);
    this.#socket = null;
  }

  #connectNow() {
    if (!this.#wanted || this.#socket) return;
    clearTimeout(this.#retry);
    this.#attempt = 0;
    this.#connect();
  }

  async #connect() {
    // Stands for the connection while the ticket is fetched, so that a second call does not make a second one.
    const place = { close: () => {} };
    this.#socket = place;
    let ticket;
    try {
      ticket = await this.ticket();
    } catch {
      if (this.#socket === place) this.#closed();
      return;
    }
    if (this.#socket !== place) return;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/ws/notices`, [PROTOCOL, `ticket.${ticket}`]);
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => this.#socket === socket && this.#heard(JSON.parse(data)));
    socket.addEventListener("close", () => this.#socket === socket && this.#closed());
  }

  // That a session is over is noticed by the chat socket, which closes at the same time.
  #closed() {
    this.#socket = null;
    if (!this.#wanted) return;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#connect(), backoff_ms(this.#attempt));
    this.#attempt += 1;
  }

  #heard(frame) {
    if (frame.type === "listening") this.#attempt = 0;
    const again = frame.type === "listening" || frame.type === "refetch";
    this.dispatchEvent(again ? new Event("listening") : new CustomEvent("notice", { detail: frame }));
  }
}
