// The open conversation: its history, the answer on its way, and what the user can do with them.

import { partsOf } from "./answers.js";
import { announce, byId, el } from "./dom.js";
import { FileAddresses, filesOf } from "./files.js";
import { AnswerView, QuestionView } from "./message.js";
import { textOf, waitingIn } from "./stream.js";
import { hasArrived, Unsent } from "./unsent.js";

const NEAR_BOTTOM_PX = 80;
// A run whose worker died is put to rest by the server within this time; until then the history says "streaming".
const ASK_AGAIN_MS = 2_000;

// What the reader should know of an answer whose model was not shown everything, or null.
function trimmedSentence(context) {
  if (!context) return null;
  if (context.truncated_by_provider) return "The language model’s server left out a part of this conversation.";
  if (context.more_dropped) return "The language model was shown only the latest part of this conversation.";
  const many = context.dropped === 1 ? "first message" : `first ${context.dropped} messages`;
  return context.dropped ? `The ${many} did not fit and were not shown to the language model.` : null;
}

const NOT_ARRIVED = "The connection was lost before it arrived.";

// Events: "changed" (running or stopping may have changed), "acted" (a button in a message did its work, and goes), "missing"
// (no such conversation), "resend" (detail: an unsent question of no conversation), "fault" (detail: a sentence).
export class Thread extends EventTarget {
  id = null;
  #messages = [];
  #olderCursor = null;
  #loadingOlder = null;
  #views = new Map();
  #unsent = new Unsent();
  #live = null;
  #drawing = false;
  #sticks = true;
  #askAgain = null;

  constructor(api, answers, conversations) {
    super();
    this.api = api;
    this.answers = answers;
    this.conversations = conversations;
    this.addresses = new FileAddresses(api);
    this.scroller = byId("thread");
    this.list = byId("messages");
    this.top = byId("thread-top");
    this.toEnd = byId("to-end");
    this.toEnd.addEventListener("click", () => this.#scrollToEnd("smooth"));
    this.scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.#loadOlder(), { root: this.scroller, rootMargin: "300px" }).observe(this.top);
    new ResizeObserver(() => this.#keepAtEnd()).observe(this.list);
    new ResizeObserver(() => this.#keepAtEnd()).observe(this.scroller);
    answers.addEventListener("started", ({ detail }) => detail.conversationId === this.id && this.#watch(detail));
    answers.addEventListener("finished", ({ detail }) => this.#finished(detail));
  }

  get running() {
    return Boolean(this.#live);
  }

  get stopping() {
    return Boolean(this.#live?.stopping);
  }

  get isEmpty() {
    return !this.#messages.length && !this.#live && !this.#waiting.length;
  }

  get #waiting() {
    return this.#unsent.of(this.id);
  }

  // The one that the page shows, of which the server may not have heard yet; null leaves it to the server.
  get #model() {
    const model = this.conversations.get(this.id)?.model;
    return this.conversations.models.some(({ id }) => id === model) ? model : null;
  }

  // Opens a conversation; null shows an empty one that does not exist yet.
  async open(id) {
    this.#reset(id);
    if (!id) {
      this.#draw();
      return;
    }
    const live = this.answers.of(id);
    if (live) this.#watch(live);
    await this.refresh(true);
  }

  // Reads the newest messages again. What other tabs added appears, and an answer that runs is followed.
  async refresh(first = false) {
    const id = this.id;
    if (!id) return;
    if (first) this.list.setAttribute("aria-busy", "true");
    let page;
    try {
      page = await this.api.messages(id);
    } catch (error) {
      if (id !== this.id) return;
      this.list.removeAttribute("aria-busy");
      if (error.status === 404) this.dispatchEvent(new Event("missing"));
      else if (first) this.#showLoadFault(error.message);
      else if (this.#live?.outcome) this.#askLater();
      return;
    }
    if (id !== this.id) return;
    this.list.removeAttribute("aria-busy");
    this.#merge(page);
    this.#unsent.compare(id, page.items);
    const running = page.items.findLast((message) => message.status === "streaming");
    if (running && !this.answers.of(id)) {
      // Only a run that the socket does not know is asked about again later.
      if (this.#live?.outcome === "gone") this.#askLater();
      else this.answers.resume(id, running);
    } else if (this.#live?.outcome) {
      this.#settle();
    }
    this.#draw();
    if (first) this.#scrollToEnd("instant");
  }

  // Forgets what did not arrive, in all conversations.
  clear() {
    this.#unsent.clear();
    this.#draw();
  }

  // A conversation that was just made: there is no history to fetch. What did not arrive before it was made comes along.
  begin(id) {
    this.#unsent.adopt(id);
    this.#reset(id);
  }

  // `files`: parts. `edits`: the question that this is a new wording of.
  ask(text, { files = [], edits = null } = {}) {
    this.#sticks = true;
    const known = new Set(this.#messages.map((message) => message.id));
    this.answers.ask(this.id, text, { files, edits, known, model: this.#model });
    this.conversations.touch(this.id);
    this.#acted();
  }

  // A question on its way into a conversation that is still to be made. What it returns is for the next two.
  pend(question, files) {
    this.#sticks = true;
    this.#draw();
    return this.#unsent.add(null, { question, files });
  }

  // It did not arrive, and why.
  refuse(unsent, reason) {
    unsent.reason = reason;
    this.#draw();
    if (!this.#waiting.includes(unsent)) this.#tell(reason);
  }

  // It is not, or no longer, one that did not arrive.
  withdraw(unsent) {
    this.#unsent.remove(unsent);
    this.#draw();
  }

  stop() {
    if (this.running) this.answers.stop(this.#live);
  }

  // Brings a message into view, and marks it until the reader turns to something else. One on another branch has its branch shown first.
  async seek(messageId) {
    const id = this.id;
    this.#sticks = false;
    try {
      if (!(await this.#reach(messageId))) {
        await this.api.showMessage(messageId);
        if (id !== this.id) return;
        await this.refresh();
        await this.#reach(messageId);
      }
    } catch (error) {
      this.#tell(error.status === 404 ? "This message does not exist any more." : error.message);
      return;
    }
    if (id !== this.id) return;
    this.#show(this.#entries());
    const found = this.#views.get(messageId)?.element;
    if (!found) return;
    this.#sticks = false;
    this.list.querySelector(".found")?.classList.remove("found");
    found.scrollIntoView({ block: "center" });
    found.classList.add("found");
    found.tabIndex = -1;
    found.focus({ preventScroll: true });
    const left = () => {
      // The whole window may have lost the focus: the reader comes back to the mark.
      if (document.activeElement === found) return;
      found.classList.remove("found");
      found.removeEventListener("blur", left);
    };
    found.addEventListener("blur", left);
  }

  // Whether the message is on the branch shown, whose messages down to it are read. A message's id is larger than
  // those above it.
  async #reach(messageId) {
    const id = this.id;
    const known = () => this.#messages.some((message) => message.id === messageId);
    while (!known() && this.#olderCursor && this.#messages[0]?.id > messageId) {
      await this.#older();
      if (id !== this.id) return false;
    }
    return known();
  }

  #tell(sentence) {
    this.dispatchEvent(new CustomEvent("fault", { detail: sentence }));
  }

  #reset(id) {
    clearTimeout(this.#askAgain);
    this.id = id;
    this.#messages = [];
    this.#olderCursor = null;
    this.#views = new Map();
    this.#live = null;
    this.#sticks = true;
    this.list.replaceChildren();
    this.top.hidden = true;
    this.toEnd.hidden = true;
    this.dispatchEvent(new Event("changed"));
  }

  #watch(live) {
    this.#live = live;
    // A live answer gets new views: those of the one before it belong to the history now.
    this.#views.delete("live");
    this.#views.delete("question");
    live.addEventListener("change", () => {
      if (this.#live === live) this.#draw();
    });
    this.#draw();
    announce("Eloquent is answering.");
  }

  async #finished(live) {
    const shown = live === this.#live;
    if (live.outcome === "refused" || (live.outcome === "gone" && !shown)) this.#failed(live);
    if (!shown) return;
    if (live.outcome === "refused") this.#live = null;
    else if (live.outcome === "ended" && live.answer.id) this.#keep(live);
    this.#draw();
    await this.refresh();
  }

  // Whether its question arrived nevertheless is seen when the history is read: now, or when the conversation is opened.
  #failed(live) {
    if (live.question !== null) this.#unsent.add(live.conversationId, { ...live, reason: live.refusal || NOT_ARRIVED });
    if (live.refusal && (live.question === null || live.conversationId !== this.id)) this.#tell(live.refusal);
    this.#draw();
  }

  // The answer came to its end: it is history now, in the views that showed it, so that nothing flickers and the next
  // question need not wait until the server's history was read.
  #keep(live) {
    const { id, parts, status, error, finishReason, metadata, context } = live.answer;
    const cut = this.#messages.findIndex((message) => message.id === live.replacing || message.id === id);
    if (cut >= 0) this.#messages = this.#messages.slice(0, cut);
    if (live.question !== null && !this.#endsWith(this.#messages, live.question)) {
      const sent = `sent-${live.requestId}`;
      this.#messages.push({ id: sent, role: "user", parts: partsOf(live.question, live.files), status: "complete" });
      this.#rename("question", sent);
    }
    const ended = status === "waiting" || status === "streaming" ? "interrupted" : status;
    this.#messages.push({ id, role: "assistant", parts, status: ended, error: error && { detail: error }, model: metadata.model, finishReason, context });
    this.#rename("live", id);
    this.#live = null;
    const asks = waitingIn(parts).length ? "The answer waits for your decision." : "The answer is complete.";
    announce(ended === "complete" ? asks : "The answer ended early.");
  }

  #rename(key, next) {
    if (!this.#views.has(key) || this.#views.has(next)) return;
    this.#views.set(next, this.#views.get(key));
    this.#views.delete(key);
  }

  #endsWith(messages, question) {
    const last = messages.at(-1);
    return last?.role === "user" && textOf(last.parts) === question;
  }

  #askLater() {
    clearTimeout(this.#askAgain);
    this.#askAgain = setTimeout(() => {
      if (this.#live?.outcome) this.refresh();
    }, ASK_AGAIN_MS);
  }

  // Puts a page of the newest messages in the place of what is known from its first message on.
  #merge({ items, next_cursor: cursor }) {
    const known = items.length ? this.#messages.findIndex((message) => message.id === items[0].id) : -1;
    const before = items.length ? this.#messages.findIndex((message) => message.id === items[0].parent_id) : -1;
    const keep = known >= 0 ? known : before + 1;
    if (!keep) this.#olderCursor = cursor;
    for (const old of this.#messages.slice(keep)) {
      const now = items.find((item) => item.id === old.id);
      // Only the stream told it.
      if (now && old.finishReason) now.finishReason = old.finishReason;
      if (!old.id.startsWith("sent-")) continue;
      const stored = items.findLast((item) => item.role === "user" && textOf(item.parts) === textOf(old.parts));
      if (stored) this.#rename(old.id, stored.id);
    }
    this.#messages = [...this.#messages.slice(0, keep), ...items];
    this.top.hidden = !this.#olderCursor;
  }

  // How it ended is not known: the connection was lost meanwhile. The history, which was just read, has it, or has
  // not even the question.
  #settle() {
    const live = this.#live;
    if (live.question !== null && !hasArrived(live, this.#messages)) this.#unsent.add(live.conversationId, { ...live, reason: NOT_ARRIVED });
    if (live.answer.id) this.#rename("live", live.answer.id);
    this.#live = null;
  }

  // Once in a frame, however many words arrived.
  #draw() {
    if (this.#drawing) return;
    this.#drawing = true;
    const frame = () => {
      this.#drawing = false;
      this.#show(this.#entries());
      this.dispatchEvent(new Event("changed"));
    };
    // A hidden tab gets no frames, and must still be right when it is looked at.
    if (document.visibilityState === "visible") requestAnimationFrame(frame);
    else setTimeout(frame, 200);
  }

  // What is to be seen, in order: [key, make, fields].
  #entries() {
    const live = this.#live;
    const entries = [];
    const stored = this.#messages.filter((message) => message.status !== "streaming" && (!live || message.id !== live.answer.id));
    const replacing = live ? live.replacing : this.#waiting.find((unsent) => unsent.replacing)?.replacing;
    const cut = replacing ? stored.findIndex((message) => message.id === replacing) : -1;
    const history = cut >= 0 ? stored.slice(0, cut) : stored;
    history.forEach((message, index) => {
      if (message.role === "user") entries.push([message.id, QuestionView, this.#storedQuestion(message)]);
      else if (message.role === "assistant") entries.push([message.id, AnswerView, this.#storedAnswer(message, index === history.length - 1)]);
    });
    if (live) {
      if (live.question !== null && !this.#endsWith(history, live.question)) entries.push(["question", QuestionView, { text: live.question, files: live.files, addresses: this.addresses }]);
      entries.push(["live", AnswerView, this.#liveAnswer(live)]);
    }
    for (const unsent of this.#waiting) entries.push([unsent.key, QuestionView, this.#unsentQuestion(unsent)]);
    return entries;
  }

  get #free() {
    return !this.running && !this.#waiting.length;
  }

  // What can be done to a message that is in the history.
  #branching({ id, siblings = null }) {
    return { siblings, onshow: this.#free && !id.startsWith("sent-") ? (...wanted) => this.#showVersion(...wanted) : null };
  }

  #storedQuestion(message) {
    const free = this.#free && !message.id.startsWith("sent-");
    const files = filesOf(message.parts);
    const onedit = free ? (text) => this.ask(text, { files, edits: message.id }) : null;
    return { text: textOf(message.parts), files, addresses: this.addresses, onedit, ...this.#branching(message) };
  }

  #storedAnswer(message, last) {
    const repeatable = this.#free && (last || message.status === "complete");
    return {
      parts: message.parts,
      status: message.status,
      error: message.error?.detail ?? null,
      finishReason: message.finishReason ?? null,
      model: this.conversations.modelName(message.model),
      onretry: repeatable ? () => this.#retry(message.id) : null,
      ondecide: last && this.#free ? (decisions) => this.#decide(message, decisions) : null,
      trimmed: last ? trimmedSentence(message.context) : null,
      ...this.#branching(message),
    };
  }

  #liveAnswer(live) {
    const { parts, status, error, progress, context } = live.visible;
    return { parts, status, error, progress, connected: live.connected, stopping: live.stopping, onretry: null, trimmed: trimmedSentence(context) };
  }

  #unsentQuestion(unsent) {
    const { question, files, reason } = unsent;
    return { text: question, files, addresses: this.addresses, unsent: reason, onretry: () => this.#again(unsent), ondiscard: () => this.#discard(unsent) };
  }

  #discard(unsent) {
    this.withdraw(unsent);
    this.#acted();
  }

  // The history is looked at first: what arrived after all is not asked twice. Nor is what was pressed twice.
  async #again(unsent) {
    await this.refresh();
    if (!this.#waiting.includes(unsent)) return;
    if (!this.id) {
      this.dispatchEvent(new CustomEvent("resend", { detail: unsent }));
      return;
    }
    this.withdraw(unsent);
    this.ask(unsent.question, { files: unsent.files, edits: unsent.replacing });
  }

  #decide(message, decisions) {
    this.#sticks = true;
    this.answers.decide(this.id, message, decisions);
    this.#acted();
  }

  #retry(messageId) {
    this.#sticks = true;
    this.answers.regenerate(this.id, messageId, this.#model);
    this.#acted();
  }

  #acted() {
    this.dispatchEvent(new Event("acted"));
  }

  // Shows another version of a message, and what was written below it. What stands above does not move.
  async #showVersion(id, arrow) {
    const opened = this.id;
    this.#sticks = false;
    try {
      await this.api.showMessage(id);
    } catch (error) {
      this.#tell(error.message);
      return;
    }
    if (opened !== this.id) return;
    await this.refresh();
    if (opened !== this.id) return;
    this.#show(this.#entries());
    this.#views.get(id)?.versions.focus(arrow);
    const place = this.#messages.find((message) => message.id === id)?.siblings;
    if (place) announce(`Version ${place.index + 1} of ${place.count}.`);
  }

  // Brings the list to the wanted order with as few moves as possible: a moved node would lose a selection in it.
  #show(entries) {
    const wanted = new Set(entries.map(([key]) => key));
    for (const [key, view] of this.#views) {
      if (!wanted.has(key)) {
        view.element.remove();
        this.#views.delete(key);
      }
    }
    let place = this.list.firstElementChild;
    for (const [key, View, fields] of entries) {
      let view = this.#views.get(key);
      if (!(view instanceof View)) {
        view?.element.remove();
        view = new View();
        this.#views.set(key, view);
      }
      view.update(fields);
      if (view.element === place) place = place.nextElementSibling;
      else this.list.insertBefore(view.element, place);
    }
    while (place) {
      const next = place.nextElementSibling;
      place.remove();
      place = next;
    }
  }

  #showLoadFault(sentence) {
    const retry = el("button", { type: "button", class: "small-button", onclick: () => this.open(this.id) }, "Try again");
    this.list.replaceChildren(el("div", { class: "fault", role: "alert" }, el("div", {}, sentence), retry));
  }

  async #loadOlder() {
    if (!this.#olderCursor || this.#loadingOlder) return;
    try {
      await this.#older();
    } catch (error) {
      this.#tell(error.message);
    }
  }

  // Reads the page before the first message; those who ask while it is read wait for the same.
  #older() {
    this.#loadingOlder ??= this.#readOlder().finally(() => {
      this.#loadingOlder = null;
    });
    return this.#loadingOlder;
  }

  async #readOlder() {
    const id = this.id;
    const { items, next_cursor: cursor } = await this.api.messages(id, this.#olderCursor);
    if (id !== this.id) return;
    const height = this.scroller.scrollHeight;
    const position = this.scroller.scrollTop;
    this.#olderCursor = cursor;
    this.#messages = [...items, ...this.#messages];
    this.top.hidden = !cursor;
    this.#show(this.#entries());
    // What the reader looks at stays where it is.
    this.scroller.scrollTop = position + this.scroller.scrollHeight - height;
  }

  #scrolled() {
    const left = this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight;
    this.#sticks = left < NEAR_BOTTOM_PX;
    this.toEnd.hidden = left < 2 * NEAR_BOTTOM_PX;
  }

  #keepAtEnd() {
    if (this.#sticks) this.#scrollToEnd("instant");
    else this.#scrolled();
  }

  #scrollToEnd(behavior) {
    this.#sticks = true;
    this.scroller.scrollTo({ top: this.scroller.scrollHeight, behavior });
  }
}
