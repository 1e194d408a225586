// One message of the thread as DOM nodes.

import { copyText, el, icon } from "./dom.js";
import { QuestionEditor } from "./editor.js";
import { FilesView } from "./files.js";
import { MarkdownView } from "./markdown.js";
import { noticesOf, reasoningOf, textOf, toolsOf } from "./stream.js";
import { isDenied, ToolsView } from "./tools.js";
import { Versions } from "./versions.js";

const ENDINGS = {
  stopped: "You stopped this answer.",
  interrupted: "The server was interrupted before this answer was complete.",
  failed: "The answer failed.",
};

// What the user wrote, as it was written: no Markdown is read into it.
// `unsent`: why it did not reach the server, or null (also while it is on its way); `onretry` and `ondiscard` belong to
// that. `onedit` takes a new wording, `onshow` the id of another version; both are null while that cannot be done.
// `siblings`: its place among them.
export class QuestionView {
  #editor = null;

  constructor() {
    this.text = el("div", { class: "bubble", dir: "auto" });
    this.versions = new Versions();
    this.edit = el("button", { type: "button", class: "icon-button", "aria-label": "Edit message", title: "Edit", onclick: () => this.#open() }, icon("edit"));
    this.actions = el("div", { class: "actions" }, this.edit, this.versions.element);
    this.foot = el("div", { class: "question-foot" });
    this.files = new FilesView();
    this.element = el("article", { class: "message question", "aria-label": "You" }, this.files.element, this.text, this.actions, this.foot);
  }

  update({ text, files = [], addresses, unsent = null, onretry, ondiscard, onedit = null, onshow = null, siblings = null }) {
    if (this.text.textContent !== text) this.text.textContent = text;
    this.files.update(files, addresses);
    if (!this.#editor) this.text.hidden = !text;
    this.onedit = onedit;
    this.#editor?.setFree(Boolean(onedit));
    this.edit.hidden = !onedit;
    this.versions.update(siblings, onshow);
    this.actions.hidden = Boolean(this.#editor) || (this.edit.hidden && this.versions.element.hidden);
    this.element.classList.toggle("unsent", Boolean(unsent));
    if (this.unsent === unsent) return;
    this.unsent = unsent;
    this.foot.replaceChildren();
    if (!unsent) return;
    // A view is of one question: what these do does not change while it is shown.
    const actions = el("div", { class: "fault-actions" }, button("Try again", "retry", onretry), button("Discard", "trash", ondiscard));
    this.foot.append(el("div", { class: "fault", role: "alert" }, icon("alert"), el("div", {}, el("strong", {}, "Not sent. "), unsent), actions));
  }

  #open() {
    if (this.#editor) return;
    this.#editor = new QuestionEditor(this.text.textContent, { onsend: (text) => this.onedit?.(text), onclose: () => this.#close() });
    this.text.hidden = this.actions.hidden = true;
    this.files.element.after(this.#editor.element);
    this.#editor.focus();
  }

  #close() {
    this.#editor.element.remove();
    this.#editor = null;
    this.text.hidden = !this.text.textContent;
    this.actions.hidden = false;
    this.edit.focus();
  }
}

// An answer: live or from the history. `update` takes
//   parts, status ("waiting", "streaming", "complete", "stopped", "failed", "interrupted"), error (a sentence or null),
//   finishReason, model, progress ({state, ...} or null), connected, stopping, onretry (null: cannot be repeated now),
//   trimmed (a sentence about what the model was not shown, or null), siblings and onshow (as for a question),
//   ondecide (takes what the user decided about the calls that wait; null when nothing can be decided now).
export class AnswerView {
  #shown = {};

  constructor() {
    this.body = el("div", { class: "markdown" });
    this.markdown = new MarkdownView(this.body);
    this.thoughts = el("div", { class: "thoughts-text", dir: "auto" });
    this.thoughtsTitle = el("summary", {}, "Thoughts");
    this.details = el("details", { class: "thoughts", hidden: true }, this.thoughtsTitle, this.thoughts);
    this.tools = new ToolsView();
    this.sources = el("ul", { class: "sources", hidden: true });
    this.line = el("div", { class: "status-line", hidden: true });
    this.ending = el("div", { class: "ending" });
    this.actions = el("div", { class: "actions" });
    this.versions = new Versions();
    const column = el("div", { class: "answer-column" }, this.details, this.tools.element, this.line, this.body, this.sources, this.ending, this.actions);
    const mark = el("div", { class: "answer-mark", "aria-hidden": "true" }, icon("quote"));
    this.element = el("article", { class: "message answer", "aria-label": "Eloquent" }, mark, column);
  }

  update(next) {
    const running = next.status === "waiting" || next.status === "streaming";
    this.text = textOf(next.parts);
    this.element.setAttribute("aria-busy", String(running));
    this.element.dataset.status = next.status;
    this.element.classList.toggle("running", running);
    this.markdown.update(this.text, { open: running });
    this.#showThoughts(reasoningOf(next.parts), running);
    this.tools.update(toolsOf(next.parts), next.ondecide);
    this.#showSources(next.parts);
    this.#once("line", running ? statusOf(next, this.text) : "", (sentence) => {
      this.line.hidden = !sentence;
      this.line.replaceChildren(el("span", { class: "dots", "aria-hidden": "true" }, el("i"), el("i"), el("i")), el("span", {}, sentence));
    });
    const notices = noticesOf(next.parts);
    const ending = [next.status, next.error, next.finishReason, Boolean(next.onretry), next.trimmed, notices];
    this.#once("ending", JSON.stringify(ending), () => this.#showEnding(next, notices));
    this.versions.update(running ? null : next.siblings, next.onshow);
    const actions = [running, Boolean(this.text), Boolean(next.onretry), next.model, this.versions.element.hidden];
    this.#once("actions", JSON.stringify(actions), () => this.#showActions(next, running));
  }

  #once(name, value, show) {
    if (this.#shown[name] === value) return;
    this.#shown[name] = value;
    show(value);
  }

  #showThoughts(text, running) {
    this.details.hidden = !text;
    if (!text) return;
    this.thoughtsTitle.textContent = running && !this.text ? "Thinking…" : "Thoughts";
    if (this.thoughts.textContent !== text) this.thoughts.textContent = text;
  }

  #showSources(parts) {
    const found = parts.filter((part) => part.type === "source-url" || part.type === "source-document");
    this.#once("sources", JSON.stringify(found), () => {
      this.sources.hidden = !found.length;
      this.sources.replaceChildren(...found.map((source) => el("li", { dir: "auto" }, source.title)));
    });
  }

  #showEnding({ status, error, finishReason, onretry, trimmed }, notices) {
    this.ending.replaceChildren();
    this.ending.append(...notices.map((notice) => el("p", { class: "note trimmed" }, notice)));
    if (trimmed) this.ending.append(el("p", { class: "note trimmed" }, trimmed));
    if (status === "complete" && finishReason === "length") this.ending.append(el("p", { class: "note" }, "The answer reached its longest allowed length."));
    if (status === "complete" && finishReason === "content-filter") this.ending.append(el("p", { class: "note" }, "The model's provider cut this answer off."));
    if (!ENDINGS[status]) return;
    const retry = onretry && button("Try again", "retry", onretry);
    if (status === "stopped") this.ending.append(el("div", { class: "note" }, icon("stop"), ENDINGS.stopped, retry));
    else this.ending.append(el("div", { class: "fault", role: "alert" }, icon("alert"), el("div", {}, error || ENDINGS[status]), retry));
  }

  #showActions({ onretry, model, status }, running) {
    this.actions.replaceChildren();
    if (running) return;
    // First: at an earlier answer the rest is seen only under the pointer.
    if (!this.versions.element.hidden) this.actions.append(this.versions.element);
    if (this.text) {
      const copy = el(
        "button",
        { type: "button", class: "icon-button", "aria-label": "Copy answer", title: "Copy", onclick: () => copyText(this.text, copy) },
        icon("copy"),
        icon("check"),
      );
      this.actions.append(copy);
    }
    if (onretry && status === "complete") {
      this.actions.append(el("button", { type: "button", class: "icon-button", "aria-label": "Answer again", title: "Answer again", onclick: onretry }, icon("retry")));
    }
    if (model && this.text) this.actions.append(el("span", { class: "model-name" }, model));
  }
}

function statusOf({ parts, status, progress, connected, stopping }, text) {
  if (stopping) return "Stopping…";
  if (connected === false) return "Connection lost. The answer goes on at the server…";
  const last = parts.at(-1);
  if (last?.type === "dynamic-tool" && isBeingMade(last)) return `Calling ${last.toolName}…`;
  if (last?.type === "dynamic-tool" || (last?.type === "step-start" && text)) return "Thinking…";
  if (status === "streaming" || text) return "";
  if (progress?.state === "loading") {
    const seconds = Math.round(progress.elapsed_s ?? 0);
    return `The language model is being loaded${seconds >= 2 ? ` (${seconds} s)` : ""}…`;
  }
  if (progress?.state === "queued") {
    return progress.position ? `Waiting for a free place: number ${progress.position} in the queue…` : "Waiting for a free place…";
  }
  return "Thinking…";
}

function isBeingMade(call) {
  return (call.state.startsWith("input") || call.state === "approval-responded") && !isDenied(call);
}

function button(label, name, onclick) {
  return el("button", { type: "button", class: "small-button", onclick }, icon(name), label);
}
