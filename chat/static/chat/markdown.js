// Shows Markdown as DOM nodes, and keeps them as the text grows. Only createElement and text: whatever a model
// writes, it cannot make a script, a remote image or a link to anything but http, https and mailto.

import { el, icon, copyText } from "./dom.js";
import { parseBlocks } from "./markdown-blocks.js";
import { parseInline, plainOrder, safeAddress } from "./markdown-inline.js";

// The nodes of a whole text.
export function renderMarkdown(text) {
  return parseBlocks(text).map((block) => blockNode(block, false));
}

// A growing text in an element. Only the last two blocks are read again as text is added, and only the blocks
// that changed get new nodes, so a long answer costs no more per word than a short one.
export class MarkdownView {
  #element;
  #text = "";
  #shown = []; // {from, raw, open, block, node}

  constructor(element) {
    this.#element = element;
  }

  update(text, { open = false } = {}) {
    const grew = text.startsWith(this.#text);
    // The last line may have been half a line: it decides where the last block ends and whether the one before goes on.
    const keep = grew ? Math.max(this.#shown.length - 2, 0) : 0;
    const from = keep ? this.#shown[keep].from : 0;
    const rest = text.slice(from);
    const blocks = parseBlocks(rest, { open });
    blocks.forEach((block, index) => {
      const isOpen = open && index === blocks.length - 1;
      this.#show(keep + index, { from: from + block.from, raw: rest.slice(block.from, block.to), open: isOpen, block });
    });
    for (const extra of this.#shown.splice(keep + blocks.length)) extra.node.remove();
    this.#text = text;
  }

  #show(index, next) {
    const before = this.#shown[index];
    if (before && before.raw === next.raw && before.open === next.open && !next.open) {
      this.#shown[index] = { ...next, node: before.node };
      return;
    }
    if (before && grownCode(before, next)) {
      this.#shown[index] = { ...next, node: before.node };
      return;
    }
    next.node = blockNode(next.block, next.open);
    if (before) before.node.replaceWith(next.node);
    else this.#element.append(next.node);
    this.#shown[index] = next;
  }
}

// Code that grows keeps its node, so that a selection in it and the focus on its button stay.
function grownCode(before, next) {
  if (before.block.type !== "code" || next.block.type !== "code" || before.block.language !== next.block.language) return false;
  before.node.querySelector("code").textContent = plainOrder(next.block.text);
  return true;
}

function blockNode(block, open) {
  switch (block.type) {
    case "heading":
      // The page's own headings come first: a message's begin below them, and look the same.
      return el(`h${Math.min(block.level + 2, 6)}`, { class: `h${block.level}`, dir: "auto" }, ...inline(block.text, open));
    case "rule":
      return el("hr");
    case "code":
      return codeNode(block);
    case "quote":
      return el("blockquote", { dir: "auto" }, ...blockNodes(block.blocks, open));
    case "list":
      return listNode(block, open);
    case "table":
      return tableNode(block, open);
    default:
      return el("p", { dir: "auto" }, ...inline(block.text, open));
  }
}

function blockNodes(blocks, open) {
  return blocks.map((block, index) => blockNode(block, open && index === blocks.length - 1));
}

function codeNode(block) {
  const code = el("code", {}, plainOrder(block.text));
  const copy = el(
    "button",
    { type: "button", class: "copy-code", "aria-label": "Copy code", onclick: () => copyText(code.textContent, copy) },
    icon("copy"),
    icon("check"),
    el("span", {}, "Copy"),
  );
  const bar = el("div", { class: "code-bar" }, el("span", { class: "code-language" }, block.language || "code"), copy);
  return el("div", { class: "code-block", dir: "ltr" }, bar, el("pre", { tabindex: "0", "aria-label": `Code${block.language ? `: ${block.language}` : ""}` }, code));
}

function listNode(block, open) {
  const start = block.ordered && block.start !== 1 ? block.start : null;
  const items = block.items.map(({ blocks, checked }, index) => {
    const isOpen = open && index === block.items.length - 1;
    const box = checked === null ? null : el("input", { type: "checkbox", disabled: true, checked, "aria-label": checked ? "Done" : "Not done" });
    const content = blocks.flatMap((child, at) => {
      const childOpen = isOpen && at === blocks.length - 1;
      return block.tight && child.type === "paragraph" ? inline(child.text, childOpen) : [blockNode(child, childOpen)];
    });
    return el("li", { class: box ? "task" : null, dir: "auto" }, box, ...content);
  });
  return el(block.ordered ? "ol" : "ul", { start, dir: "auto" }, ...items);
}

function tableNode(block, open) {
  const row = (cells, tag, isOpen) =>
    el("tr", {}, ...cells.map((cell, column) => el(tag, { class: block.align[column] && `align-${block.align[column]}`, dir: "auto", scope: tag === "th" ? "col" : null }, ...inline(cell, isOpen))));
  const body = block.rows.map((cells, index) => row(cells, "td", open && index === block.rows.length - 1));
  const table = el("table", {}, el("thead", {}, row(block.header, "th", false)), body.length ? el("tbody", {}, ...body) : null);
  return el("div", { class: "table-scroll", tabindex: "0", role: "region", "aria-label": "Table" }, table);
}

function inline(text, open) {
  return inlineNodes(parseInline(text, { open }), false);
}

function inlineNodes(nodes, insideLink) {
  return nodes.filter((node) => node.text !== "").map((node) => {
    switch (node.type) {
      case "code":
        return el("code", {}, plainOrder(node.text));
      case "break":
        return el("br");
      case "strong":
      case "em":
      case "del":
        return el(node.type, {}, ...inlineNodes(node.children, insideLink));
      case "link":
        return linkNode(node.address, inlineNodes(node.children, true), insideLink, null);
      case "image":
        // Shown as a link: an image from elsewhere would tell its server who reads this, and when.
        return linkNode(node.address, [icon("image"), plainOrder(node.alt || "Image")], insideLink, "image-link");
      default:
        return document.createTextNode(insideLink ? plainOrder(node.text) : node.text);
    }
  });
}

function linkNode(address, children, insideLink, name) {
  const href = insideLink ? null : safeAddress(address);
  if (!href) return el("span", { class: name }, ...children);
  return el("a", { class: name, href, target: "_blank", rel: "noopener noreferrer", title: href }, ...children);
}
