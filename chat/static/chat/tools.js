// The calls of tools that an answer makes, as DOM nodes.

import { el, icon } from "./dom.js";
import { plainOrder } from "./markdown-inline.js";

// `update` takes the calls (parts), and `ondecide`: takes [{call, approved}] for every call that waits for the user's
// agreement, or null when nothing can be decided now.
export class ToolsView {
  #shown = [];
  #decided = new Map();

  constructor() {
    this.element = el("div", { class: "tools", hidden: true });
  }

  // What was opened stays open: only what is new or has changed is made anew.
  update(calls, ondecide = null) {
    this.calls = calls;
    this.ondecide = ondecide;
    this.element.hidden = !calls.length;
    calls.forEach((call, number) => {
      const shown = JSON.stringify([call, Boolean(ondecide), this.#decided.get(call.toolCallId)]);
      if (this.#shown[number] === shown) return;
      this.#shown[number] = shown;
      const before = this.element.children[number];
      const view = call.state === "approval-requested" ? this.#question(call) : callView(call);
      view.open = before?.open ?? false;
      if (before) before.replaceWith(view);
      else this.element.append(view);
    });
    this.#shown.length = calls.length;
    while (this.element.children.length > calls.length) this.element.lastElementChild.remove();
  }

  #question(call) {
    const decided = this.#decided.get(call.toolCallId);
    const asked = el("p", {}, icon("tool"), el("span", {}, "May ", el("strong", {}, call.toolName), " be called?"));
    const choice = (label, name, approved) =>
      el(
        "button",
        {
          type: "button",
          class: "small-button",
          disabled: !this.ondecide,
          "aria-pressed": String(decided === approved),
          onclick: () => this.#decide(call, approved),
        },
        icon(name),
        label,
      );
    return el(
      "div",
      { class: "tool question-of-tool", role: "group", "aria-label": `May ${call.toolName} be called?` },
      asked,
      valueNode(call.input),
      el("div", { class: "fault-actions" }, choice("Allow", "check", true), choice("Don’t allow", "close", false)),
    );
  }

  // Goes on when every call is decided about; until then a choice can be changed.
  #decide(call, approved) {
    this.#decided.set(call.toolCallId, approved);
    const waiting = this.calls.filter(({ state }) => state === "approval-requested");
    if (waiting.some(({ toolCallId }) => !this.#decided.has(toolCallId))) {
      const number = this.calls.indexOf(call);
      this.update(this.calls, this.ondecide);
      this.element.children[number].querySelector("[aria-pressed=true]").focus();
      return;
    }
    const decisions = waiting.map((each) => ({ call: each, approved: this.#decided.get(each.toolCallId) }));
    this.#decided.clear();
    this.ondecide(decisions);
  }
}

// Whether the user did not agree to this call.
export function isDenied({ state, approval }) {
  return state === "output-denied" || (state === "approval-responded" && !approval.approved);
}

function callView(call) {
  const { toolName, state, input, output, errorText } = call;
  const [sentence, said] = {
    "output-available": [`Used ${toolName}`, output],
    "output-error": [`${toolName} failed`, errorText],
  }[state] ?? [isDenied(call) ? `You did not allow ${toolName}` : `Calling ${toolName}…`, undefined];
  return el(
    "details",
    { class: state === "output-error" ? "tool failed" : "tool" },
    el("summary", {}, icon("tool"), el("span", {}, sentence)),
    valueNode(input),
    said !== undefined && valueNode(said),
  );
}

// What is agreed to is what is read: letters that turn others around are written out.
function valueNode(value) {
  const isText = typeof value === "string";
  return el("pre", { dir: isText ? "auto" : "ltr" }, plainOrder(isText ? value : JSON.stringify(value ?? null, null, 2)));
}
