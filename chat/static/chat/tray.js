// Files that wait in the composer: chosen, pasted or dropped, uploaded at once, sent with the next message.

import { announce, byId, el, icon } from "./dom.js";
import { ownAddress, partOf, sizeOf } from "./files.js";

// As many as a message may have.
const MOST_FILES = 8;

// Events: "changed".
export class Tray extends EventTarget {
  #files = new Set();

  constructor(api) {
    super();
    this.api = api;
    this.list = byId("composer-files");
    this.button = byId("attach-button");
    this.input = byId("attach-input");
    this.largest = Number(byId("composer").dataset.largestFile);
    this.button.addEventListener("click", () => this.input.click());
    this.input.addEventListener("change", () => {
      this.add(this.input.files);
      this.input.value = ""; // so that the same file can be chosen again
    });
    byId("composer-box").addEventListener("paste", (event) => {
      if (!event.clipboardData.files.length) return;
      event.preventDefault();
      this.add(event.clipboardData.files);
    });
    this.#takeDropsOn(byId("main"));
  }

  get uploading() {
    return [...this.#files].some((file) => !file.attachment && !file.fault);
  }

  // The parts of the files that are ready.
  get parts() {
    return this.#ready.map((file) => partOf(file.attachment));
  }

  get #ready() {
    return [...this.#files].filter((file) => file.attachment);
  }

  add(files) {
    for (const file of files) {
      if (this.#files.size >= MOST_FILES) {
        this.#say(`A message has at most ${MOST_FILES} files.`);
        break;
      }
      this.#take(file);
    }
  }

  // Those that were ready have been sent. What could not be attached stays to be read.
  sent() {
    for (const file of this.#ready) this.#forget(file);
  }

  clear() {
    for (const file of [...this.#files]) {
      file.stop.abort();
      this.#forget(file);
    }
  }

  #take(content) {
    const file = { name: content.name || "Picture", stop: new AbortController(), attachment: null, fault: null };
    file.look = el("span", { class: "tray-look", "aria-hidden": "true" }, icon("file"));
    file.about = el("span", { class: "tray-about" }, sizeOf(content.size));
    file.progress = el("progress", { max: "1", value: "0", "aria-label": `Uploading ${file.name}` });
    const words = el("span", { class: "tray-words" }, el("span", { class: "file-name", dir: "auto" }, file.name), file.about, file.progress);
    const remove = el("button", { type: "button", class: "icon-button", "aria-label": `Remove ${file.name}`, title: "Remove", onclick: () => this.#remove(file) }, icon("close"));
    file.element = el("li", { class: "tray-file" }, file.look, words, remove);
    this.#files.add(file);
    this.list.append(file.element);
    this.#changed();
    if (content.size > this.largest) this.#fail(file, `This file has ${sizeOf(content.size)}, and ${sizeOf(this.largest)} are allowed.`);
    else this.#upload(file, content);
  }

  async #upload(file, content) {
    try {
      const moved = (share) => {
        file.progress.value = share;
      };
      file.attachment = await this.api.attach(content, file.name, moved, file.stop.signal);
    } catch (error) {
      if (!file.stop.signal.aborted) this.#fail(file, error.message);
      return;
    }
    if (!this.#files.has(file)) {
      this.#withdraw(file);
      return;
    }
    file.progress.remove();
    if (file.attachment.media_type.startsWith("image/")) {
      file.look.replaceChildren(el("img", { src: ownAddress(file.attachment.url), alt: "" }));
    }
    announce(`${file.name} is attached.`);
    this.#changed();
  }

  #fail(file, sentence) {
    file.fault = sentence;
    file.progress.remove();
    file.element.classList.add("failed");
    file.about.replaceChildren(sentence);
    file.about.setAttribute("role", "alert");
    this.#changed();
  }

  #remove(file) {
    const next = file.element.nextElementSibling ?? file.element.previousElementSibling;
    file.stop.abort();
    this.#forget(file);
    if (file.attachment) this.#withdraw(file);
    announce(`${file.name} is removed.`);
    (next?.querySelector("button") ?? this.button).focus();
  }

  // What fails here is deleted within a day anyhow.
  #withdraw(file) {
    this.api.deleteAttachment(file.attachment.id).catch(() => {});
  }

  #forget(file) {
    this.#files.delete(file);
    file.element.remove();
    this.#changed();
  }

  #changed() {
    this.list.hidden = !this.#files.size;
    this.dispatchEvent(new Event("changed"));
  }

  #say(sentence) {
    this.dispatchEvent(new CustomEvent("fault", { detail: sentence }));
  }

  #takeDropsOn(place) {
    const brings = (event) => event.dataTransfer?.types.includes("Files");
    place.addEventListener("dragover", (event) => {
      if (!brings(event)) return;
      event.preventDefault();
      place.classList.add("dropping");
    });
    place.addEventListener("dragleave", (event) => {
      if (!place.contains(event.relatedTarget)) place.classList.remove("dropping");
    });
    place.addEventListener("drop", (event) => {
      place.classList.remove("dropping");
      if (!brings(event)) return;
      event.preventDefault();
      this.add(event.dataTransfer.files);
    });
  }
}
