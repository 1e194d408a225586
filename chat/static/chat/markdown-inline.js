// Pure: cuts a line of Markdown into emphasis, code, links and text.

// Emphasis in emphasis deeper than this stays text.
const DEEPEST = 24;
const MOST_BRACKETS = 64;
const LONGEST_ADDRESS = 4096;
const SPECIAL = /[\\`*_~[\]!<&\n]|https?:\/\//g;
const ADDRESS = /https?:\/\/[^\s<>"`[\]|\\]{1,2000}/y;
const ANGLED = /<(https?:\/\/[^\s<>]{1,4000}|mailto:[^\s<>]{1,400})>/y;
const BREAK = /<br ?\/?>/iy;
const ENTITY = /&(amp|lt|gt|quot|nbsp|#39);/y;
const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', nbsp: "\u00a0", "#39": "'" };
const PUNCTUATION = /[!-/:-@[-`{-~]/;
const WORDLESS = /[\p{P}\p{S}]/u;

// Letters that turn others around: what runs, or where a link leads, would not be what is read.
const TURNING = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

// The address if it may be followed from this page, else null: http, https and mailto, nothing relative, and nothing
// that shows one host before an @ and leads to another.
export function safeAddress(address) {
  let url;
  try {
    url = new URL(address.trim());
  } catch {
    return null;
  }
  if (url.username || url.password) return null;
  return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
}

// Code and addresses as they are, letter by letter: what turns the others around is written out.
export function plainOrder(text) {
  return text.replace(TURNING, (mark) => `\\u${mark.codePointAt(0).toString(16).padStart(4, "0")}`);
}

// Nodes: {type: "text" | "code", text}, {type: "break"}, {type: "strong" | "em" | "del", children},
// {type: "link", address, children}, {type: "image", address, alt}. An `address` is not yet proven safe.
// `open` says that the text is still being written: what is open at its end is taken as if it were closed there,
// so that half of "**bold**" is bold from its first letter.
export function parseInline(text, { open = false } = {}) {
  const source = open ? text.replace(/(^|\s)[*_~`]+$/, "$1") : text;
  const state = { source, open, at: 0, nodes: [], brackets: [], unclosedTicks: new Set() };
  while (state.at < source.length) step(state);
  return emphasised(state.nodes, open);
}

function step(state) {
  const { source } = state;
  SPECIAL.lastIndex = state.at;
  const match = SPECIAL.exec(source);
  const next = match ? match.index : source.length;
  if (next > state.at) {
    push(state, source.slice(state.at, next));
    state.at = next;
    return;
  }
  const mark = source[next];
  if (mark === "\\") escaped(state);
  else if (mark === "`") code(state);
  else if (mark === "*" || mark === "_" || mark === "~") delimiter(state);
  else if (mark === "[") bracket(state, 1, false);
  else if (mark === "!") image(state);
  else if (mark === "]") closeBracket(state);
  else if (mark === "<") angle(state);
  else if (mark === "&") entity(state);
  else if (mark === "\n") lineBreak(state);
  else bareAddress(state);
}

function push(state, text) {
  state.nodes.push({ type: "text", text });
}

function literal(state, length = 1) {
  push(state, state.source.slice(state.at, state.at + length));
  state.at += length;
}

function escaped(state) {
  const following = state.source[state.at + 1];
  if (following === "\n") state.at += 1;
  else if (following && PUNCTUATION.test(following)) {
    push(state, following);
    state.at += 2;
  } else literal(state);
}

function code(state) {
  const { source, at } = state;
  const length = runLength(source, at);
  const start = at + length;
  let end = state.unclosedTicks.has(length) ? -1 : source.indexOf("`", start);
  while (end >= 0) {
    const run = runLength(source, end);
    if (run === length) break;
    end = source.indexOf("`", end + run);
  }
  if (end < 0) {
    state.unclosedTicks.add(length);
    if (!state.open || length > 2 || start === source.length) return literal(state, length);
    end = source.length;
  }
  let inside = source.slice(start, end).replaceAll("\n", " ");
  if (inside.startsWith(" ") && inside.endsWith(" ") && inside.trim()) inside = inside.slice(1, -1);
  state.nodes.push({ type: "code", text: inside });
  state.at = end + length;
  return undefined;
}

function runLength(source, at) {
  let end = at;
  while (source[end] === source[at]) end += 1;
  return end - at;
}

function delimiter(state) {
  const { source, at } = state;
  const mark = source[at];
  const count = runLength(source, at);
  const before = at ? source[at - 1] : " ";
  const after = source[at + count] ?? " ";
  const leftFlanking = !/\s/.test(after) && (!WORDLESS.test(after) || /\s/.test(before) || WORDLESS.test(before));
  const rightFlanking = !/\s/.test(before) && (!WORDLESS.test(before) || /\s/.test(after) || WORDLESS.test(after));
  // An underscore inside a word is part of a name.
  const canOpen = leftFlanking && (mark !== "_" || !rightFlanking || WORDLESS.test(before));
  const canClose = rightFlanking && (mark !== "_" || !leftFlanking || WORDLESS.test(after));
  if (mark === "~" && count !== 2) return literal(state, count);
  state.nodes.push({ type: "delimiter", mark, count, canOpen, canClose });
  state.at += count;
  return undefined;
}

function bracket(state, length, isImage) {
  if (state.brackets.length < MOST_BRACKETS) state.brackets.push({ at: state.nodes.length, isImage, active: true });
  literal(state, length);
}

function image(state) {
  if (state.source[state.at + 1] === "[") bracket(state, 2, true);
  else literal(state);
}

function closeBracket(state) {
  const opener = state.brackets.pop();
  if (!opener || !opener.active || state.source[state.at + 1] !== "(") return literal(state);
  const target = targetAt(state.source, state.at + 2, state.open);
  if (!target) return literal(state);
  const children = emphasised(state.nodes.splice(opener.at).slice(1), false);
  if (opener.isImage) state.nodes.push({ type: "image", address: target.address, alt: plain(children) });
  else {
    state.nodes.push({ type: "link", address: target.address, children });
    // A link holds no link.
    for (const outer of state.brackets) if (!outer.isImage) outer.active = false;
  }
  state.at = target.end;
  return undefined;
}

// The address and the end of "(address "title")" after its parenthesis, or null. Half of one at the end of an open
// text is a link without an address.
function targetAt(source, start, open) {
  const limit = Math.min(source.length, start + LONGEST_ADDRESS);
  let at = start;
  while (at < limit && /\s/.test(source[at])) at += 1;
  let address = "";
  if (source[at] === "<") {
    const end = source.indexOf(">", at);
    if (end < 0 || end > limit) return null;
    address = source.slice(at + 1, end);
    at = end + 1;
  } else {
    const from = at;
    for (let depth = 0; at < limit && !/\s/.test(source[at]); at += 1) {
      if (source[at] === "\\" && at + 1 < limit) at += 1;
      else if (source[at] === "(") depth += 1;
      else if (source[at] === ")") {
        if (!depth) break;
        depth -= 1;
      }
    }
    address = source.slice(from, at).replace(/\\([!-/:-@[-`{-~])/g, "$1");
  }
  while (at < limit && /\s/.test(source[at])) at += 1;
  const quote = source[at];
  if (quote === '"' || quote === "'") {
    const end = source.indexOf(quote, at + 1);
    at = end < 0 ? source.length : end + 1;
    while (at < limit && /\s/.test(source[at])) at += 1;
  }
  if (source[at] === ")") return { address, end: at + 1 };
  return open && at >= source.length ? { address: "", end: source.length } : null;
}

function plain(nodes) {
  return nodes.map((node) => node.text ?? node.alt ?? plain(node.children ?? [])).join("");
}

function angle(state) {
  const link = matchAt(ANGLED, state);
  if (link) {
    state.nodes.push({ type: "link", address: link[1], children: [{ type: "text", text: link[1] }] });
    return;
  }
  if (matchAt(BREAK, state)) state.nodes.push({ type: "break" });
  else literal(state);
}

function entity(state) {
  const match = matchAt(ENTITY, state);
  if (match) push(state, ENTITIES[match[1]]);
  else literal(state);
}

function matchAt(pattern, state) {
  pattern.lastIndex = state.at;
  const match = pattern.exec(state.source);
  if (match) state.at += match[0].length;
  return match;
}

function lineBreak(state) {
  const last = state.nodes.at(-1);
  if (last?.type === "text") last.text = last.text.trimEnd();
  state.nodes.push({ type: "break" });
  state.at += 1;
}

function bareAddress(state) {
  const { source, at } = state;
  ADDRESS.lastIndex = at;
  const match = at && /\w/.test(source[at - 1]) ? null : ADDRESS.exec(source);
  if (!match) return literal(state, 4);
  let address = match[0];
  // A sentence's own marks after an address, and a parenthesis that was opened before it, do not belong to it.
  for (;;) {
    const last = address.at(-1);
    const extra = last === ")" && count(address, ")") > count(address, "(");
    if (!extra && !/[.,;:!?'*_~]/.test(last)) break;
    address = address.slice(0, -1);
  }
  if (/^https?:\/\/?$/.test(address) || address.length <= 8) return literal(state, 4);
  state.nodes.push({ type: "link", address, children: [{ type: "text", text: address }] });
  state.at += address.length;
  return undefined;
}

function count(text, mark) {
  return text.split(mark).length - 1;
}

// Turns delimiters into emphasis. One pass: each closer takes the nearest opener of its mark, and openers that it
// steps over become text, so the work is in proportion to the length.
function emphasised(nodes, open) {
  const out = [];
  const openers = [];
  const waiting = { "*": 0, _: 0, "~": 0 };
  const wrap = (opener, used) => {
    const children = out.splice(opener.at + 1);
    opener.count -= used;
    out[opener.at].text = opener.mark.repeat(opener.count);
    out.push({ type: opener.mark === "~" ? "del" : used === 2 ? "strong" : "em", children });
  };
  for (const node of nodes) {
    if (node.type !== "delimiter") {
      out.push(node);
      continue;
    }
    let left = node.count;
    while (node.canClose && left && waiting[node.mark]) {
      while (openers.at(-1).mark !== node.mark) waiting[openers.pop().mark] -= 1;
      const opener = openers.at(-1);
      const used = opener.count >= 2 && left >= 2 ? 2 : 1;
      wrap(opener, used);
      left -= used;
      if (!opener.count) waiting[openers.pop().mark] -= 1;
    }
    if (!left) continue;
    if (node.canOpen && openers.length < DEEPEST) {
      openers.push({ mark: node.mark, count: left, at: out.length });
      waiting[node.mark] += 1;
    }
    out.push({ type: "text", text: node.mark.repeat(left) });
  }
  while (open && openers.length) {
    const opener = openers.pop();
    if (opener.count <= 2) wrap(opener, opener.count);
  }
  return out;
}
