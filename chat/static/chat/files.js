// Attached files as they are shown in a question: pictures small, other files by their names. Either opens the file.

import { el, icon, toast } from "./dom.js";

// The server's addresses open for ten minutes.
const GOOD_FOR_MS = 9 * 60_000;

// The attachment that a file part names, or null.
export function attachmentIn(part) {
  return /(?:^attachment:|\/attachments\/)([0-9a-f]{24})/.exec(part.url ?? "")?.[1] ?? null;
}

export function filesOf(parts) {
  return parts.filter((part) => part.type === "file");
}

// An attachment, as the API tells of it, as a part of a message.
export function partOf({ id, name, media_type: mediaType }) {
  return { type: "file", mediaType, filename: name, url: `attachment:${id}` };
}

// An address on the page's own server, wherever programs reach it: the page's policy lets no picture of others in.
export function ownAddress(url) {
  return new URL(url, location.href).pathname;
}

export function sizeOf(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1024 * 1024 ? `${Math.round(bytes / 1024)} KB` : `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

// Signed addresses, asked for once for as long as they are good.
export class FileAddresses {
  #known = new Map();

  constructor(api) {
    this.api = api;
  }

  of(id) {
    const known = this.#known.get(id);
    if (known && known.until > Date.now()) return known.address;
    const address = this.api.attachment(id).then((attachment) => ownAddress(attachment.url));
    this.#known.set(id, { address, until: Date.now() + GOOD_FOR_MS });
    address.catch(() => this.#known.delete(id));
    return address;
  }

  clear() {
    this.#known.clear();
  }
}

// The files of one question.
export class FilesView {
  #shown = "";

  constructor() {
    this.element = el("ul", { class: "files", "aria-label": "Attached files", hidden: true });
  }

  // addresses: a FileAddresses.
  update(files, addresses) {
    // Its address may be written in several ways, and is the same file.
    const now = JSON.stringify(files.map(attachmentIn));
    if (now === this.#shown) return;
    this.#shown = now;
    this.element.hidden = !files.length;
    this.element.replaceChildren(...files.map((file) => el("li", {}, fileLink(file, addresses))));
  }
}

function fileLink(file, addresses) {
  const id = attachmentIn(file);
  const name = file.filename || "File";
  const open = (event) => {
    event.preventDefault();
    addresses.of(id).then(
      (address) => window.open(address, "_blank", "noopener"),
      (error) => toast(error.message),
    );
  };
  const label = el("span", { class: "file-name", dir: "auto" }, name);
  const button = el("button", { type: "button", class: "file-chip", "aria-label": `Open ${name}`, title: name, onclick: open }, icon("file"), label);
  if (!id || !String(file.mediaType).startsWith("image/")) return button;
  addresses.of(id).then(
    (address) => {
      const picture = el("img", { src: address, alt: name });
      picture.addEventListener("load", () => {
        button.className = "file-picture";
        button.replaceChildren(picture);
      });
    },
    () => button.classList.add("missing"),
  );
  return button;
}
