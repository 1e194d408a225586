// The answers that are being written now, one at most in each conversation. They go on while another conversation
// is shown, and over a lost connection.

import { emptyAnswer, withChunk, textOf } from "./stream.js";

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 20_000;
// A stop that nothing came of can be asked for again.
const STOP_PATIENCE_MS = 8_000;

// One answer on its way. Event "change" after each chunk and each change of these:
//   outcome: null while it runs; then "ended" (the stream came to its end), "refused" (`refusal` says why),
//            or "gone" (nothing runs any more: the history has the rest)
//   connected: false while the connection is lost; stopping: the user asked to stop
//   begun: the server may have taken the request up, so that nothing but the history says whether it did not
export class LiveAnswer extends EventTarget {
  answer = emptyAnswer();
  outcome = null;
  refusal = "";
  connected = true;
  stopping = false;
  begun = false;
  requestId = null;
  pause = FIRST_PAUSE_MS;
  #before = null;

  // question: the text just sent, null for a repeated or resumed answer. replacing: the id of the message in whose place
  // it comes, a question when it is worded anew, else an answer.
  // files: the parts of the files that were sent with the question. known: the ids of the messages before it.
  // goingOn: the answer that waited for the user, {id, parts}; it is the one that is written on.
  constructor(conversationId, { question = null, files = [], known = new Set(), replacing = null, draft = null, goingOn = null } = {}) {
    super();
    if (goingOn) this.answer = { ...emptyAnswer(), ...goingOn };
    if (draft?.parts.length) this.#before = { ...emptyAnswer(), id: draft.id, parts: draft.parts, status: "streaming" };
    this.conversationId = conversationId;
    this.question = question;
    this.files = files;
    this.known = known;
    this.replacing = replacing;
  }

  // What to show. While a replay catches up, that is the text from before the connection broke: nothing jumps back.
  get visible() {
    if (this.#before && textOf(this.#before.parts).startsWith(textOf(this.answer.parts)) && !this.outcome) return this.#before;
    this.#before = null;
    return this.answer;
  }

  take(chunk) {
    this.begun = true;
    this.pause = FIRST_PAUSE_MS;
    if (chunk.type === "start" && this.answer.parts.length) this.#before = this.visible;
    this.answer = withChunk(this.answer, chunk);
    this.changed();
  }

  finish(outcome, refusal = "") {
    if (this.outcome) return;
    this.outcome = outcome;
    this.refusal = refusal;
    this.changed();
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }
}

// Events: "started" and "finished" (detail: the LiveAnswer), "title" (detail: {id, title}), "fault" (detail: a sentence).
export class Answers extends EventTarget {
  #running = new Map();
  #runs = new Set();

  constructor(socket, api) {
    super();
    this.socket = socket;
    this.api = api;
    socket.addEventListener("open", () => {
      for (const live of this.#running.values()) if (!live.connected) this.#follow(live);
    });
  }

  // Whether this page reads the run, or has read it.
  knows(runId) {
    return this.#runs.has(runId);
  }

  of(conversationId) {
    return this.#running.get(conversationId) ?? null;
  }

  // Sends a question. The server puts it at the end of the conversation as it knows it, or, as the new wording of the
  // question `edits`, beside that one. known: the ids of the messages that are there.
  // model: the one to answer, null for the conversation's.
  ask(conversationId, question, { files = [], edits = null, known = new Set(), model = null } = {}) {
    const live = new LiveAnswer(conversationId, { question, files, known, replacing: edits });
    const message = { id: crypto.randomUUID?.() ?? String(Date.now()), role: "user", parts: partsOf(question, files) };
    const named = edits ? { messageId: edits } : {};
    this.#start(live);
    live.requestId = this.socket.send(conversationId, { trigger: "submit-message", messages: [message], body: bodyWith(model), ...named }, this.#handler(live));
    return live;
  }

  // Asks for another answer in the place of the given one.
  regenerate(conversationId, messageId, model = null) {
    const live = new LiveAnswer(conversationId, { replacing: messageId });
    this.#start(live);
    live.requestId = this.socket.send(conversationId, { trigger: "regenerate-message", messageId, messages: [], body: bodyWith(model) }, this.#handler(live));
    return live;
  }

  // Goes on with an answer that waits for its user's agreement to calls of tools. decisions: [{call, approved}].
  decide(conversationId, { id, parts }, decisions) {
    const decided = decisions.map(({ call, approved }) => ({ ...call, state: "approval-responded", approval: { ...call.approval, approved } }));
    const known = new Map(decided.map((part) => [part.toolCallId, part]));
    const live = new LiveAnswer(conversationId, {
      replacing: id,
      goingOn: { id, parts: parts.map((part) => known.get(part.toolCallId) ?? part) },
    });
    this.#start(live);
    // What the server has need not be sent to it.
    const answer = { id, role: "assistant", parts: decided };
    live.requestId = this.socket.send(conversationId, { trigger: "submit-message", messageId: id, messages: [answer] }, this.#handler(live));
    return live;
  }

  // Follows what runs already: after a reload, or started by another tab. `draft` is the half-written message of the
  // history: shown until the replay has caught up with it.
  resume(conversationId, draft) {
    const live = new LiveAnswer(conversationId, { draft });
    this.#start(live);
    this.#follow(live);
    return live;
  }

  // Stops the answer, over the socket or, when that is down, by the run's id.
  async stop(live) {
    if (live.stopping || live.outcome) return;
    live.stopping = true;
    live.changed();
    const giveUp = () => {
      if (live.outcome) return;
      live.stopping = false;
      live.changed();
    };
    setTimeout(giveUp, STOP_PATIENCE_MS);
    if (this.socket.abort(live.requestId)) return;
    try {
      const { items } = await this.api.messages(live.conversationId);
      const run = items.findLast((message) => message.status === "streaming")?.run_id;
      if (run) await this.api.stopRun(run);
      live.finish("gone");
      this.#end(live);
    } catch (error) {
      giveUp();
      this.dispatchEvent(new CustomEvent("fault", { detail: error.message }));
    }
  }

  // Forgets everything, when another user comes.
  clear() {
    this.#running.clear();
    this.#runs.clear();
  }

  #start(live) {
    this.#running.set(live.conversationId, live);
    this.dispatchEvent(new CustomEvent("started", { detail: live }));
  }

  #follow(live) {
    live.begun = live.connected = true;
    live.requestId = this.socket.resume(live.conversationId, this.#handler(live));
    if (live.stopping) this.socket.abort(live.requestId);
    live.changed();
  }

  // The answer goes on at the server: another reading finds it, if not at once.
  #followLater(live) {
    setTimeout(() => this.of(live.conversationId) === live && this.#follow(live), live.pause);
    live.pause = Math.min(2 * live.pause, LONGEST_PAUSE_MS);
  }

  #end(live) {
    if (this.#running.get(live.conversationId) === live) this.#running.delete(live.conversationId);
    this.dispatchEvent(new CustomEvent("finished", { detail: live }));
  }

  #handler(live) {
    const finish = (outcome, refusal) => {
      live.finish(outcome, refusal);
      this.#end(live);
    };
    return {
      chunk: (chunk) => {
        live.take(chunk);
        if (chunk.messageMetadata?.runId) this.#runs.add(chunk.messageMetadata.runId);
        if (chunk.type === "data-title") {
          this.dispatchEvent(new CustomEvent("title", { detail: { id: live.conversationId, title: chunk.data.title } }));
        }
      },
      end: () => finish("ended"),
      error: (sentence) => (live.begun ? this.#followLater(live) : finish("refused", sentence)),
      cut: () => this.#followLater(live),
      gone: () => finish("gone"),
      lost: () => {
        if (live.outcome) return;
        live.connected = false;
        live.changed();
        // The connection was down when this was asked: it may be back already.
        if (this.socket.isOpen) this.#follow(live);
      },
    };
  }
}

// A question as parts of a message: its words, if it has any, and its files.
export function partsOf(question, files) {
  return [...(question ? [{ type: "text", text: question }] : []), ...files];
}

function bodyWith(model) {
  return model ? { model } : {};
}
