// The chat socket: the frames of the AI SDK 7 WebSocketChatTransport, many requests over one connection.

import { Connection } from "./connection.js";

// A connection that died without a word is noticed when a running answer says nothing for so long.
const SILENCE_MS = 90_000;
// A question that is asked while the connection is down waits so long for it.
const PATIENCE_MS = 5_000;
const NOT_SIGNED_IN = 4401;

// Events: "open", "closed" (the connection was lost and will be tried again), "refused" (the session may be over).
//
// A request's handler has: chunk(chunk), end(), error(sentence), gone() (nothing runs here), cut() (the stream broke
// off, and the answer goes on elsewhere), lost() (the connection broke: whether the server got the request is not known).
export class ChatSocket extends EventTarget {
  #silence = null;
  #requests = new Map();
  #unsent = new Map();
  #counter = 0;

  // `ticket` resolves to a one-use ticket for the handshake.
  constructor(ticket) {
    super();
    this.connection = new Connection("/ws/chat", "eloquent.chat.v1", ticket, {
      opened: () => this.#opened(),
      heard: (text) => this.#frame(text),
      closed: (code) => this.#closed(code),
    });
  }

  get isOpen() {
    return this.connection.isOpen;
  }

  open() {
    this.connection.open();
  }

  close() {
    this.connection.close();
    for (const requestId of this.#unsent.keys()) this.#withdraw(requestId, "You were signed out before it was sent.");
    this.#drop();
  }

  connectNow() {
    this.connection.connectNow();
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
    this.connection.send({ type: "abort", requestId });
    return true;
  }

  #newId() {
    this.#counter += 1;
    return `r${this.#counter}-${crypto.randomUUID?.() ?? Date.now().toString(36)}`;
  }

  #request(frame, handler) {
    this.#requests.set(frame.requestId, { handler, next: 0 });
    this.connection.send(frame);
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

  #opened() {
    this.connection.settle();
    for (const { frame, handler, timer } of this.#unsent.values()) {
      clearTimeout(timer);
      this.#request(frame, handler);
    }
    this.#unsent.clear();
    this.dispatchEvent(new Event("open"));
  }

  #closed(code) {
    this.#drop();
    this.dispatchEvent(new Event("closed"));
    if (code === NOT_SIGNED_IN) this.dispatchEvent(new Event("refused"));
  }

  #drop() {
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
    this.connection.abandon();
  }

  #listenForSilence() {
    clearTimeout(this.#silence);
    if (this.#requests.size) this.#silence = setTimeout(() => this.#broken(), SILENCE_MS);
  }
}
