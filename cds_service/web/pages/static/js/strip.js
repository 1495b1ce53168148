// The card for every eGFR from 5 to 120, as one coloured strip. The service answers for each value.

import { h, svg } from "./dom.js";
import { inWords, levelOf, LEVELS, mark } from "./outcome.js";

const LOWEST = 5;
const HIGHEST = 120;
const WIDTH = HIGHEST - LOWEST + 1;
// The more severe, the taller: the strip can be read without its colours.
const TALL = { critical: 12, failed: 12, warning: 9, info: 6, none: 3 };

/** `runs`: [{from, to, cards}]; `value` is the eGFR in force, or null; `choose(value)` sets it. */
export function stripView({ runs, value, choose }) {
  const inside = value === null ? null : Math.min(HIGHEST, Math.max(LOWEST, value));
  return h("section", { class: "strip", "aria-label": "The outcome for every eGFR" },
    h("h3", {}, "The outcome for every eGFR from 5 to 120"),
    svg("svg", { viewBox: `0 0 ${WIDTH} 12`, preserveAspectRatio: "none", "aria-hidden": "true" },
      runs.map(({ from, to, cards }, at) => {
        const height = TALL[levelOf(cards)];
        return svg("rect", { class: `run ${levelOf(cards)} ${at % 2 ? "odd" : ""}`, x: from - LOWEST, width: to - from + 1, y: 12 - height, height });
      }),
      inside !== null && svg("rect", { class: "here", x: inside - LOWEST - 0.2, width: 1.4, y: 0, height: 12 })),
    h("ul", {}, runs.map((run) => runView(run, inside, choose))));
}

function runView({ from, to, cards }, inside, choose) {
  const here = inside !== null && inside >= from && inside <= to;
  const middle = Math.round((from + to) / 2);
  const level = levelOf(cards);
  return h("li", {}, h("button", { type: "button", class: "run", "aria-current": here ? "true" : false, onclick: () => choose(middle) },
    mark(level), h("span", {}, h("strong", {}, from === to ? `eGFR ${from}` : `eGFR ${from} to ${to}`), " ",
      h("span", { class: cards?.length ? "hidden-but-read" : "" }, `${LEVELS[level].word}: `), `${withRange(inWords(cards), from, to)}`)));
}

/** A summary names the first eGFR of its range. The range is shown instead. */
function withRange(text, from, to) {
  return from === to ? text : text.replaceAll(new RegExp(`eGFR ${from}(?!\\d)(, \\d{4}-\\d\\d-\\d\\d)?`, "g"), `eGFR ${from} to ${to}`);
}
