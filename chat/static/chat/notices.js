// What happens to the user's conversations in other tabs and on other devices, as the server tells it. A notice may be
// lost: after "listening" the lists are to be read again.

import { Connection } from "./connection.js";

// Events: "listening", and "notice" (detail: the frame).
export class Notices extends EventTarget {
  // `ticket` resolves to a one-use ticket for the handshake. That a session is over is noticed by the chat socket,
  // which closes at the same time.
  constructor(ticket) {
    super();
    this.connection = new Connection("/ws/notices", "eloquent.notices.v1", ticket, { heard: (text) => this.#heard(JSON.parse(text)) });
  }

  open() {
    this.connection.open();
  }

  close() {
    this.connection.close();
  }

  #heard(frame) {
    if (frame.type === "listening") this.connection.settle();
    const again = frame.type === "listening" || frame.type === "refetch";
    this.dispatchEvent(again ? new Event("listening") : new CustomEvent("notice", { detail: frame }));
  }
}
