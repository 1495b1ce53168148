// The outcome of a call in short: its level with a coloured mark, and one line of text.

import { h, svg } from "./dom.js";

export const LEVELS = {
  critical: { word: "Critical", group: "Danger: stop or avoid", path: "M8 2h8l6 6v8l-6 6H8l-6-6V8zm5.200 15.500h-2.400v-2.300h2.400zm0-4h-2.400V6.500h2.400z" },
  warning: { word: "Warning", group: "Caution: change or check", path: "M12 2 1 21.500h22zm1.200 16.500h-2.400v-2.300h2.400zm0-4h-2.400V9h2.400z" },
  info: { word: "Information", group: "Advice", path: "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm1.200 15.500h-2.400v-7h2.400zm0-8.700h-2.400V6.500h2.400z" },
  none: { word: "No card", group: "No card", path: "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm0 2.400a7.600 7.600 0 1 1 0 15.200 7.600 7.600 0 0 1 0-15.200z" },
  failed: { word: "No answer", group: "No answer", path: "M5 2.500 12 9.500l7-7 2.500 2.500-7 7 7 7-2.500 2.500-7-7-7 7L2.500 19l7-7-7-7z" },
};
const ORDER = Object.keys(LEVELS);

/** The most severe level of some cards. `cards` is null if the service had no answer. */
export function levelOf(cards) {
  if (cards === null) return "failed";
  return ORDER.find((level) => cards.some(({ indicator }) => indicator === level)) ?? "none";
}

/** A mark with a shape and a colour of its own for each level. It needs a text next to it. */
export function mark(level) {
  return svg("svg", { class: `mark ${level}`, viewBox: "0 0 24 24", "aria-hidden": "true" },
    svg("path", { d: LEVELS[level].path, "fill-rule": "evenodd" }));
}

/** Whether two outcomes differ in a card, its level, its text in short or its suggestion. */
export function differ(one, other) {
  return JSON.stringify(one) !== JSON.stringify(other);
}

/** The level in words and the summaries of the cards. */
export function inWords(cards) {
  const level = levelOf(cards);
  if (level === "failed") return "required data are missing";
  if (level === "none") return "the clinician sees nothing";
  return cards.map(({ summary }) => summary).join("; ");
}
