// The chat socket: the frames of the AI SDK 7 WebSocketChatTransport, many requests over one connection, and a
// connection that comes back by itself.

const PROTOCOL = "eloquent.chat.v1";
const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 20_000;
// A connection that died without a word is noticed when a running answer says nothing for so long.
const SILENCE_MS = 90_000;
// A question that is asked while the connection is down waits so long for it.
const PATIENCE_MS = 5_000;
const NOT_SIGNED_IN = 4401;

// How long to wait before the given try (0 is the first): doubling, with full jitter, so that the pages of a
// restarted server do not all come back in the same moment.
export function backoff_ms(attempt, random = Math.random) {
  const ceiling = Math.min(FIRST_WAIT_MS * 2 ** attempt, LONGEST_WAIT_MS);
  return Math.round(ceiling / 2 + (random() * ceiling) / 2);
}

// Events: "open", "closed" (the connection was lost and will be tried again), "refused" (the session may be over).
//
// A request's handler has: chunk(chunk), end(), error(sentence), gone() (nothing runs here), cut() (the stream broke
// off, and the answer goes on elsewhere), lost() (the connection broke: whether the server got the request is not known).
export class ChatSocket extends EventTarget {
  #socket = null;
  #wanted = false;
  #attempt = 0;
  #retry = null;
  #silence = null;
  #requests = new Map();
  #unsent = new Map();
  #counter = 0;

  // `ticket` resolves to a one-use ticket for the handshake.
  constructor(ticket) {
    super();
    this.ticket = ticket;
    addEventListener("online", () => this.connectNow());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.connectNow();
    });
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
    for (const { timer } of this.#unsent.values()) clearTimeout(timer);
    this.#unsent.clear();
    this.#drop();
  }

  // Does not wait for the next try: the network came back, or the user asked.
  connectNow() {
    if (!this.#wanted || this.#socket) return;
    clearTimeout(this.#retry);
    this.#attempt = 0;
    this.#connect();
  }

  // Asks. `fields`: trigger, messages, messageId, body. Returns the request's id, for abort(). While the connection is
  // down it waits a moment for it, then error() is told: what was surely not sent need not be looked for later.
  send(chatId, fields, handler) {
    const requestId = this.#newId();
    const frame = { type: "send", requestId, id: chatId, headers: {}, body: {}, ...fields };
    if (this.isOpen) {
      this.#request(frame, handler);
    } else {
      const giveUp = () => this.#withdraw(requestId, "The server cannot be reached.");
      this.#unsent.set(requestId, { frame, handler, timer: setTimeout(giveUp, PATIENCE_MS) });
    }
    return requestId;
  }

  // Follows the answer that runs in a chat, from its first chunk.
  resume(chatId, handler) {
    const requestId = this.#newId();
    if (this.isOpen) this.#request({ type: "resume", requestId, id: chatId, headers: {}, body: {} }, handler);
    else queueMicrotask(() => handler.lost());
    return requestId;
  }

  // Stops the answer. False when the connection is down: the server has to be told another way.
  abort(requestId) {
    if (this.#withdraw(requestId, "You stopped it before it was sent.")) return true;
    if (!this.isOpen || !this.#requests.has(requestId)) return false;
    this.#socket.send(JSON.stringify({ type: "abort", requestId }));
    return true;
  }

  #newId() {
    this.#counter += 1;
    return `r${this.#counter}-${crypto.randomUUID?.() ?? Date.now().toString(36)}`;
  }

  #request(frame, handler) {
    this.#requests.set(frame.requestId, { handler, next: 0 });
    this.#socket.send(JSON.stringify(frame));
    this.#listenForSilence();
  }

  #withdraw(requestId, reason) {
    const request = this.#unsent.get(requestId);
    if (!request) return false;
    clearTimeout(request.timer);
    this.#unsent.delete(requestId);
    request.handler.error(reason);
    return true;
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
      if (this.#socket === place) this.#closed({ code: 0 });
      return;
    }
    if (this.#socket !== place || !this.#wanted) return;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/ws/chat`, [PROTOCOL, `ticket.${ticket}`]);
    this.#socket = socket;
    socket.addEventListener("open", () => {
      this.#attempt = 0;
      for (const { frame, handler, timer } of this.#unsent.values()) {
        clearTimeout(timer);
        this.#request(frame, handler);
      }
      this.#unsent.clear();
      this.dispatchEvent(new Event("open"));
    });
    socket.addEventListener("message", (event) => {
      if (this.#socket === socket) this.#frame(event.data);
    });
    socket.addEventListener("close", (event) => {
      if (this.#socket === socket) this.#closed(event);
    });
  }

  #closed({ code }) {
    this.#drop();
    if (!this.#wanted) return;
    this.dispatchEvent(new Event("closed"));
    if (code === NOT_SIGNED_IN) this.dispatchEvent(new Event("refused"));
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#connect(), backoff_ms(this.#attempt));
    this.#attempt += 1;
  }

  #drop() {
    this.#socket = null;
    clearTimeout(this.#silence);
    const open = [...this.#requests.values()];
    this.#requests.clear();
    for (const request of open) request.handler.lost();
  }

  #frame(data) {
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      return this.#broken();
    }
    const request = this.#requests.get(frame.requestId);
    if (!request) return undefined;
    if (frame.type === "chunk") {
      if (frame.sequence < request.next) return undefined;
      if (frame.sequence > request.next) return this.#broken();
      request.next += 1;
      request.handler.chunk(frame.chunk);
    } else if (frame.type !== "start") {
      this.#requests.delete(frame.requestId);
      if (frame.type === "end") request.handler.end();
      else if (frame.type === "no-active") request.handler.gone();
      else if (frame.problem?.code === "stream_cut") request.handler.cut();
      else request.handler.error(frame.errorText || "The server could not answer.");
    }
    this.#listenForSilence();
    return undefined;
  }

  // A gap or garbage: what follows cannot be trusted. Coming back replays everything from the start.
  #broken() {
    const socket = this.#socket;
    socket.close(4000);
    this.#closed({ code: 4000 });
  }

  #listenForSilence() {
    clearTimeout(this.#silence);
    if (this.#requests.size) this.#silence = setTimeout(() => this.#broken(), SILENCE_MS);
  }
}
