// The Markdown of cards, as far as cards use it: paragraphs, lists, bold, italics, code, links.
// What is made are elements with text nodes. A tag in the text stays text; an unknown form stays text.

import { h } from "./dom.js";

const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', nbsp: " " };
const ITEM = /^\s{0,3}(?:[-*+]|\d{1,9}[.)])\s+/;
const HEADING = /^#{1,6}\s+/;

/** Elements for a Markdown text. */
export function markdown(text) {
  const blocks = String(text ?? "").replaceAll("\r\n", "\n").split(/\n{2,}/);
  return blocks.flatMap((block) => blockNodes(block.split("\n").filter((line) => line.trim())));
}

function blockNodes(lines) {
  const nodes = [];
  while (lines.length) {
    if (ITEM.test(lines[0])) nodes.push(list(lines));
    else if (HEADING.test(lines[0])) nodes.push(h("h4", {}, inline(lines.shift().replace(HEADING, ""))));
    else nodes.push(h("p", {}, inline(taken(lines, (line) => !ITEM.test(line)).join(" "))));
  }
  return nodes;
}

function list(lines) {
  const ordered = /^\s*\d/.test(lines[0]);
  const items = taken(lines, (line) => ITEM.test(line)).map((line) => h("li", {}, inline(line.replace(ITEM, ""))));
  return h(ordered ? "ol" : "ul", {}, items);
}

function taken(lines, wanted) {
  const end = lines.findIndex((line) => !wanted(line));
  return lines.splice(0, end < 0 ? lines.length : end);
}

// In this order: an escaped sign, code, bold, italics, a link, a character reference.
const INLINE = new RegExp([
  /\\([!-/:-@[-`{-~])/,
  /`([^`]+)`/,
  /\*\*((?:\\.|[^\\*])+)\*\*/,
  /\*((?:\\.|[^\\*\s])(?:\\.|[^\\*])*)\*/,
  /\[((?:\\.|[^\\\]])*)\]\(([^()\s]*)\)/,
  /&(#\d{1,7}|#x[0-9a-f]{1,6}|[a-z]{2,6});/i,
].map(({ source }) => source).join("|"), "gi");

function inline(text) {
  const nodes = [];
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > at) nodes.push(text.slice(at, match.index));
    nodes.push(inlineNode(match));
    at = match.index + match[0].length;
  }
  nodes.push(text.slice(at));
  return nodes;
}

function inlineNode([whole, escaped, code, bold, italic, label, url, entity]) {
  if (escaped !== undefined) return escaped;
  if (code !== undefined) return h("code", {}, code);
  if (bold !== undefined) return h("strong", {}, inline(bold));
  if (italic !== undefined) return h("em", {}, inline(italic));
  if (label !== undefined) return safeLink(url, inline(label));
  return character(entity) ?? whole;
}

/** A link to a web page; with any other address the label alone. */
export function safeLink(url, label, attributes = {}) {
  let parsed;
  try {
    parsed = new URL(url);
  } catch {
    return h("span", {}, label);
  }
  if (!["https:", "http:"].includes(parsed.protocol)) return h("span", {}, label);
  return h("a", { href: parsed.href, target: "_blank", rel: "noopener noreferrer", ...attributes }, label);
}

function character(entity) {
  if (!entity.startsWith("#")) return ENTITIES[entity.toLowerCase()];
  const point = /^#x/i.test(entity) ? Number.parseInt(entity.slice(2), 16) : Number(entity.slice(1));
  return point > 0 && point <= 0x10ffff ? String.fromCodePoint(point) : undefined;
}
