// All of one's data: taken along, or gone.

import { byId, el, saveFile } from "../dom.js";
import { sizeOf } from "../files.js";
import { pressed } from "./form.js";
import { Part, action, rowOf } from "./parts.js";
import { ago, dayOf, line, momentOf } from "./words.js";

const LOOK_AGAIN_MS = 1_500;
const AT_WORK = new Set(["queued", "running"]);

export class Data extends Part {
  #timer = null;

  // `farewell` is called with what is said to whoever has closed the account: {title, words}.
  constructor({ api, proof, farewell }) {
    super("data");
    Object.assign(this, { api, proof, farewell });
    this.list = byId("export-list");
    this.exportFault = byId("exports").querySelector(".form-fault");
    const buttons = { "ask-export": () => this.#ask(), deactivate: () => this.#deactivate(), erase: () => this.#erase() };
    for (const [id, work] of Object.entries(buttons)) byId(id).addEventListener("click", ({ currentTarget }) => pressed(currentTarget, work));
    document.addEventListener("visibilitychange", () => this.#watch());
  }

  async load() {
    const [{ items }, { mail }] = await Promise.all([this.api.exports(), this.api.registration()]);
    this.mail = mail;
    byId("close-words").textContent = mail ? "You open it again, whenever you like, with the link that sets a new password." : "Our staff can open it again.";
    this.#show(items);
  }

  close() {
    super.close();
    clearTimeout(this.#timer);
  }

  #show(exports) {
    this.exports = exports;
    this.list.replaceChildren(...exports.map((each) => this.#row(each)));
    if (!exports.length) this.list.append(el("li", { class: "row-none" }, "There is no export yet."));
    this.#watch();
  }

  // While one is being made it is looked at again and again, as long as somebody looks at this.
  #watch() {
    clearTimeout(this.#timer);
    const pending = this.exports?.find((each) => AT_WORK.has(each.status));
    if (!pending || this.element.hidden || document.hidden) return;
    this.#timer = setTimeout(async () => {
      try {
        const seen = await this.api.export(pending.id);
        if (JSON.stringify(seen) !== JSON.stringify(pending)) this.#replace(pending, seen);
      } catch {
        // The next look may reach the server.
      }
      this.#watch();
    }, LOOK_AGAIN_MS);
  }

  #replace(before, seen) {
    const at = this.exports.indexOf(before);
    if (at < 0) return;
    this.exports[at] = seen;
    this.list.children[at].replaceWith(this.#row(seen));
  }

  #row(each) {
    const { id, status, documents, documents_done: done, size_bytes: size, created_at: asked, expires_at: ends } = each;
    const name = `Export of ${dayOf(asked)}`;
    const gone = new Date(ends) <= Date.now();
    const states = {
      queued: () => [line("It is about to begin", "a letter tells when it is ready"), el("progress", { "aria-label": name })],
      running: () => [line(documents ? `${Math.min(done, documents)} of about ${documents} documents` : "It has begun", "a letter tells when it is ready"), el("progress", { "aria-label": name, max: Math.max(documents, 1), value: done })],
      complete: () => [gone ? line("It was deleted", ago(ends)) : line(sizeOf(size), `until ${momentOf(ends)}`)],
      failed: () => [el("p", { class: "row-alarm" }, "It could not be made. Ask for another one; if that fails as well, tell our staff.")],
    };
    const fetchIt = (button) => pressed(button, () => this.#download(id), this.exportFault);
    const ready = status === "complete" && !gone;
    return rowOf("box", name, { badge: ready && "Ready", about: states[status](), actions: ready ? [action("Download", name, fetchIt)] : [], alarming: status === "failed" });
  }

  async #download(id) {
    const { name, content } = await this.api.exportContent(id);
    saveFile(name, content);
  }

  async #ask() {
    const lead = "To make an export of all that your account holds.";
    const done = await this.proof.ask({ lead, action: "Make the export" }, (proof) => this.api.askForExport(proof));
    if (done) this.#show([done.answer, ...this.exports]);
  }

  async #deactivate() {
    const lead = `To close your account. All devices are signed out; nothing is deleted. ${byId("close-words").textContent}`;
    if (!(await this.proof.ask({ lead, action: "Close the account", danger: true }, (proof) => this.api.deactivate(proof)))) return;
    this.farewell({ title: "Your account is closed", words: ["All devices were signed out. Nothing was deleted.", byId("close-words").textContent] });
  }

  async #erase() {
    const days = Number(this.element.dataset.graceDays);
    const when = days ? `It is closed at once, and erased in ${days} day${days === 1 ? "" : "s"}.` : "It begins at once, and cannot be taken back.";
    const done = await this.proof.ask({ lead: `To erase your account with all that is in it. ${when}`, action: "Erase my account", danger: true }, (proof) => this.api.erase(proof));
    if (!done) return;
    const { receipt, due_at: due, state } = done.answer;
    const waits = state === "waiting" || new Date(due) > Date.now();
    const begins = waits ? `It is closed now, and everything is deleted after ${momentOf(due)}.` : "It is closed now, and everything in it is being deleted.";
    const back = waits && this.mail && "Changed your mind? The link in the letter that we sent you takes it back until then.";
    const link = el("a", { href: `/account/erased#${receipt}` }, "the receipt");
    const kept = el("span", {}, "What becomes of your data is in ", link, ": keep its address if you may want to show it. Whoever has it can read it; it does not say who you are.");
    this.farewell({ title: waits ? "Your account will be erased" : "Your account is being erased", words: [begins, back, kept].filter(Boolean) });
  }
}
