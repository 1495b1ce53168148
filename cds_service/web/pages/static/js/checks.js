// The checks of an order that found nothing, with a tick each.

import { h, svg } from "./dom.js";

// Each check with the part of the explanation that shows its result. An unknown fact is no tick.
const absent = (id) => ({ facts = [] }) => facts.some((fact) => fact.id === id && fact.state === "absent");
const present = (id) => ({ facts = [] }) => facts.some((fact) => fact.id === id && fact.state === "present");
const silent = (subject) => ({ rules = [] }, cards) => cards[subject].every((card) => rules.some(({ rule, outcome }) => rule === card && outcome === "not met"));
const CHECKS = [
  ["Kidney function is normal for this purpose", ({ kidney }) => kidney?.class === "NORMAL"],
  ["No high serum magnesium on record", absent("hypermagnesaemia")],
  ["No high-grade AV block on record", absent("heart_block")],
  ["No neuromuscular disease on record", absent("neuromuscular")],
  ["No bowel obstruction on record", absent("bowel_obstruction")],
  ["No allergy to magnesium on record", absent("allergy_magnesium")],
  ["No other magnesium supplement on record", absent("current_magnesium")],
  ["No pregnancy on record", absent("pregnancy")],
  ["The patient is an adult", present("adult")],
  // An antacid or a laxative has no limit for the daily dose, and is used when needed.
  ["Daily dose of a supplement within the limit", silent("dose")],
  ["No drug to keep apart from a supplement", silent("interaction")],
];

/** The checks of a magnesium order that has no card. Nothing if no order here is one of magnesium.
 *  `cards` are the ids of the order checks by subject. */
export function checksView(explained, words, cards) {
  const { rules = [], facts = [], unknown = [], notReadableCount: unread = 0 } = explained;
  const isChecked = rules.some(({ rule, why }) => rule.startsWith("order ") && why === "magnesium");
  if (!isChecked) return null;
  const missing = [
    ...unknown.map(({ key }) => words[`gap.${key}`] ?? key),
    ...facts.filter(({ state }) => state === "unknown").map(({ id, label }) => label ?? words[`fact.${id}`] ?? id),
    ...(unread ? [`entries that cannot be read (${unread})`] : []),
  ];
  // Data that did not arrive were not checked: no ticks then.
  if (missing.length) return h("p", { class: "incomplete" }, `The magnesium order was not checked completely. Not known: ${[...new Set(missing)].join(", ")}.`);
  const passed = CHECKS.filter(([, holds]) => holds(explained, cards));
  return [
    h("h3", {}, `The magnesium order was checked: ${passed.length} checks, nothing found`),
    h("ul", { class: "checks" }, passed.map(([text]) => h("li", {}, tick(), text))),
  ];
}

const tick = () => svg("svg", { class: "tick", viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d: "M9 16.200 4.800 12l-2 2L9 20.200 21.400 7.800l-2-2z" }));
