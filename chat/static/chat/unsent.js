// The questions that did not arrive, and those that are on their way into a conversation that is still to be made.

import { textOf } from "./stream.js";

// Whether a question is among the messages, and none of those that were there before it.
export function hasArrived({ question, known }, messages) {
  return messages.some(({ id, role, parts }) => role === "user" && !known.has(id) && textOf(parts) === question);
}

// By conversation; null is the one that does not exist yet.
export class Unsent {
  #kept = new Map();
  #count = 0;

  // Those of a conversation, in order: {key, question, files, replacing, known, reason}.
  of(id) {
    return this.#kept.get(id) ?? [];
  }

  // replacing: the message that it is a new wording of. known: the ids of the messages that were there. reason: why it did
  // not arrive, null while it is on its way.
  add(id, { question, files = [], replacing = null, known = new Set(), reason = null }) {
    this.#count += 1;
    const unsent = { key: `unsent-${this.#count}`, question, files, replacing, known, reason };
    this.#kept.set(id, [...this.of(id), unsent]);
    return unsent;
  }

  remove(unsent) {
    for (const [id, kept] of this.#kept) this.#set(id, kept.filter((each) => each !== unsent));
  }

  // Takes out what the history of a conversation has nevertheless.
  compare(id, messages) {
    this.#set(id, this.of(id).filter((each) => !hasArrived(each, messages)));
  }

  // The conversation was made: those before it was are its own.
  adopt(id) {
    this.#set(id, this.of(null));
    this.#kept.delete(null);
  }

  clear() {
    this.#kept.clear();
  }

  #set(id, kept) {
    if (kept.length) this.#kept.set(id, kept);
    else this.#kept.delete(id);
  }
}
