// The sidebar as a drawer on narrow screens.

import { byId } from "./dom.js";

const narrow = matchMedia("(max-width: 820px)");

export class Drawer {
  constructor() {
    this.element = byId("sidebar");
    this.opener = byId("open-sidebar");
    this.opener.addEventListener("click", () => this.open());
    byId("close-sidebar").addEventListener("click", () => this.close());
    byId("backdrop").addEventListener("click", () => this.close());
    narrow.addEventListener("change", () => this.#show(false));
    this.#show(false);
  }

  get isOpen() {
    return narrow.matches && !this.element.inert;
  }

  open() {
    if (!narrow.matches || this.isOpen) return;
    this.#show(true);
    byId("close-sidebar").focus();
  }

  close() {
    if (!this.isOpen) return;
    this.#show(false);
    this.opener.focus();
  }

  #show(open) {
    this.element.classList.toggle("open", open);
    // Closed on a narrow screen it is out of sight, so the keyboard must not get into it.
    this.element.inert = narrow.matches && !open;
    byId("main").inert = narrow.matches && open;
    byId("backdrop").hidden = !(narrow.matches && open);
    this.opener.setAttribute("aria-expanded", String(open));
  }
}
