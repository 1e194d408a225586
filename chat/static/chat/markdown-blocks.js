// Pure: cuts Markdown into blocks (CommonMark with GitHub's tables and task lists; no raw HTML, no reference links).

// Quotes and lists inside each other deeper than this are shown as text: no storm of ">" or "-" can exhaust the stack.
const DEEPEST = 12;
const FENCE = /^( {0,3})(`{3,}|~{3,})[ \t]*([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})(?=[ \t]|$)/;
const RULE = /^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(?:( +)|$)/;
const TASK = /^\[([ xX])\] /;

// The blocks of a text. Each has `from` and `to`, the offsets of its lines in the text. `open` says that the text
// is still being written: its last line may be half a line.
export function parseBlocks(text, { open = false } = {}) {
  const lines = [];
  const offsets = [];
  let at = 0;
  for (const line of text.split("\n")) {
    lines.push(expandTabs(line.endsWith("\r") ? line.slice(0, -1) : line));
    offsets.push(at);
    at += line.length + 1;
  }
  offsets.push(text.length + 1);
  const blocks = blocksOf(lines, 0, open);
  for (const block of blocks) {
    block.from = offsets[block.from];
    block.to = Math.min(offsets[block.to], text.length);
  }
  return blocks;
}

function expandTabs(line) {
  if (!line.includes("\t")) return line;
  const lead = /^[ \t]*/.exec(line)[0];
  let wide = "";
  for (const mark of lead) wide += mark === "\t" ? " ".repeat(4 - (wide.length % 4)) : " ";
  return wide + line.slice(lead.length);
}

function blocksOf(lines, depth, open) {
  const blocks = [];
  let at = 0;
  while (at < lines.length) {
    if (isBlank(lines[at])) {
      at += 1;
      continue;
    }
    const [block, next] = blockAt(lines, at, depth, open);
    blocks.push({ ...block, from: at, to: next });
    at = next;
  }
  return blocks;
}

function blockAt(lines, at, depth, open) {
  const line = lines[at];
  if (FENCE.test(line)) return fencedCode(lines, at);
  if (HEADING.test(line)) return heading(line, at);
  if (RULE.test(line)) return [{ type: "rule" }, at + 1];
  if (depth < DEEPEST && QUOTE.test(line)) return quote(lines, at, depth, open);
  if (depth < DEEPEST && ITEM.test(line)) return list(lines, at, depth, open);
  if (startsTable(lines, at, open)) return table(lines, at);
  if (indentOf(line) >= 4) return indentedCode(lines, at);
  return paragraph(lines, at, open);
}

function isBlank(line) {
  return line.trim() === "";
}

function indentOf(line) {
  let width = 0;
  while (line[width] === " ") width += 1;
  return width;
}

function withoutIndent(line, width) {
  return line.slice(Math.min(indentOf(line), width));
}

// Whether a line ends a paragraph without a blank line between.
function interrupts(lines, at, open) {
  const line = lines[at];
  if (FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line)) return true;
  const item = ITEM.exec(line);
  if (item && item[3] && line.length > item[0].length) return !/^\d/.test(item[2]) || parseInt(item[2], 10) === 1;
  return startsTable(lines, at, open);
}

function fencedCode(lines, at) {
  const [, indent, fence, info] = FENCE.exec(lines[at]);
  const content = [];
  let next = at + 1;
  let closed = false;
  for (; next < lines.length && !closed; next += 1) {
    const line = lines[next];
    const bare = line.trim();
    closed = bare.length >= fence.length && indentOf(line) < 4 && bare === fence[0].repeat(bare.length);
    if (!closed) content.push(withoutIndent(line, indent.length));
  }
  if (!closed && content.at(-1) === "") content.pop();
  return [{ type: "code", language: info.trim().split(/\s/)[0], text: content.join("\n"), closed }, next];
}

function indentedCode(lines, at) {
  let next = at;
  while (next < lines.length && (isBlank(lines[next]) || indentOf(lines[next]) >= 4)) next += 1;
  while (isBlank(lines[next - 1])) next -= 1;
  return [{ type: "code", language: "", text: lines.slice(at, next).map((line) => line.slice(4)).join("\n"), closed: true }, next];
}

function heading(line, at) {
  const [opening, marks] = HEADING.exec(line);
  let text = line.slice(opening.length).trim();
  const closing = text.length - text.replace(/#+$/, "").length;
  if (closing && (closing === text.length || text[text.length - closing - 1] === " ")) text = text.slice(0, -closing).trim();
  return [{ type: "heading", level: marks.length, text }, at + 1];
}

function quote(lines, at, depth, open) {
  const inside = [];
  let next = at;
  while (next < lines.length) {
    const line = lines[next];
    if (QUOTE.test(line)) inside.push(line.replace(QUOTE, ""));
    // A paragraph may go on without its mark.
    else if (!isBlank(line) && !isBlank(inside.at(-1)) && !interrupts(lines, next, open)) inside.push(line);
    else break;
    next += 1;
  }
  return [{ type: "quote", blocks: blocksOf(inside, depth + 1, open && next === lines.length) }, next];
}

function list(lines, at, depth, open) {
  const first = ITEM.exec(lines[at])[2];
  const kind = first.at(-1);
  const items = [];
  let tight = true;
  let next = at;
  while (next < lines.length) {
    const match = ITEM.exec(lines[next]);
    if (!match || match[2].at(-1) !== kind || RULE.test(lines[next])) break;
    const [inside, after] = itemLines(lines, next, match, open);
    const blocks = blocksOf(inside, depth + 1, open && after === lines.length);
    const task = TASK.exec(inside[0]);
    if (task && blocks[0]?.type === "paragraph") blocks[0].text = blocks[0].text.slice(task[0].length);
    items.push({ blocks, checked: task ? task[1] !== " " : null });
    if (blocks.some((block, index) => index && isBlank(inside[block.from - 1]) && block.type === "paragraph")) tight = false;
    next = after;
    let ahead = next;
    while (ahead < lines.length && isBlank(lines[ahead])) ahead += 1;
    if (ahead === next) continue;
    const following = ahead < lines.length && ITEM.exec(lines[ahead]);
    if (!following || following[2].at(-1) !== kind || RULE.test(lines[ahead])) break;
    tight = false;
    next = ahead;
  }
  const ordered = /^\d/.test(first);
  return [{ type: "list", ordered, start: ordered ? parseInt(first, 10) : 1, tight, items }, next];
}

// The lines of one item, without their indent, and where the next block begins.
function itemLines(lines, at, match, open) {
  const [, indent, marker, spaces = " "] = match;
  const width = indent.length + marker.length + (spaces.length > 4 ? 1 : spaces.length);
  // Models indent by two under "1." too, where the standard asks for three.
  const enough = Math.min(width, indent.length + 2);
  const inside = [lines[at].slice(Math.min(width, lines[at].length))];
  let next = at + 1;
  while (next < lines.length) {
    const line = lines[next];
    if (isBlank(line)) {
      let ahead = next;
      while (ahead < lines.length && isBlank(lines[ahead])) ahead += 1;
      if (ahead === lines.length || indentOf(lines[ahead]) < enough) break;
      inside.push(...Array(ahead - next).fill(""));
      next = ahead;
    } else if (indentOf(line) >= enough) {
      inside.push(withoutIndent(line, width));
      next += 1;
    } else if (!ITEM.test(line) && !isBlank(inside.at(-1)) && !interrupts(lines, next, open)) {
      inside.push(line.trimStart());
      next += 1;
    } else {
      break;
    }
  }
  return [inside, next];
}

function startsTable(lines, at, open) {
  if (!lines[at].includes("|") || at + 1 >= lines.length) return false;
  const rule = lines[at + 1];
  if (open && at + 2 === lines.length && /^ {0,3}\|[-:| ]*$/.test(rule)) return lines[at].trim().startsWith("|");
  if (!rule.includes("-")) return false;
  const cells = cellsOf(rule);
  return cells.length === cellsOf(lines[at]).length && cells.every((cell) => /^:?-+:?$/.test(cell));
}

function table(lines, at) {
  const header = cellsOf(lines[at]);
  const align = header.map(() => null);
  cellsOf(lines[at + 1]).slice(0, header.length).forEach((cell, column) => {
    const [left, right] = [cell.startsWith(":"), cell.endsWith(":") && cell.length > 1];
    align[column] = left && right ? "center" : right ? "right" : left ? "left" : null;
  });
  const rows = [];
  let next = at + 2;
  while (next < lines.length && !isBlank(lines[next]) && (lines[next].includes("|") || !interrupts(lines, next, false))) {
    const cells = cellsOf(lines[next]);
    rows.push(header.map((_, column) => cells[column] ?? ""));
    next += 1;
  }
  return [{ type: "table", header, align, rows }, next];
}

function cellsOf(line) {
  const cells = [];
  let cell = "";
  const row = line.trim().replace(/^\|/, "");
  for (let at = 0; at < row.length; at += 1) {
    if (row[at] === "\\" && row[at + 1] === "|") {
      cell += "|";
      at += 1;
    } else if (row[at] === "|") {
      cells.push(cell.trim());
      cell = "";
    } else {
      cell += row[at];
    }
  }
  if (cell.trim()) cells.push(cell.trim());
  return cells;
}

function paragraph(lines, at, open) {
  let next = at + 1;
  while (next < lines.length && !isBlank(lines[next]) && !interrupts(lines, next, open)) next += 1;
  return [{ type: "paragraph", text: lines.slice(at, next).map((line) => line.trimStart()).join("\n") }, next];
}
