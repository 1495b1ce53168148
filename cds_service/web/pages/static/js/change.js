// What the last change did: the answer before it and the answer now, side by side.

import { h } from "./dom.js";
import { inWords, levelOf, LEVELS, mark } from "./outcome.js";
import { reasonsFor } from "./panels.js";

const NUMBERS = { egfr: ["eGFR", "mL/min/1.73 m²"], magnesium: ["Magnesium", "mg/dL"], age: ["Age", "years"] };

/** The parts in which two states differ: {control, text}. Empty for two patients. */
export function changes(before, now, hooks) {
  const found = [];
  for (const [name, [text, unit]] of Object.entries(NUMBERS)) {
    if (before.edits[name] !== now.edits[name]) {
      const value = now.edits[name] === null ? "as recorded" : `${now.edits[name]} ${unit}`;
      found.push({ control: name, text: `${text} ${value}` });
    }
  }
  found.push(...listChanges("added", before.edits.added, now.edits.added, ({ display }) => display));
  if (now.edits.removed.length > before.edits.removed.length) found.push({ control: "removed", text: "An entry of the chart removed" });
  if (now.edits.removed.length < before.edits.removed.length) found.push({ control: "removed", text: "A removed entry put back" });
  if (before.hook !== now.hook) found.push({ control: "hook", text: hooks.find(({ name }) => name === now.hook)?.moment ?? now.hook });
  const orders = ({ draft, orders: own, changes: made }) => JSON.stringify([draft, own, made]);
  if (orders(before) !== orders(now)) found.push({ control: "orders", text: "Orders changed" });
  if (JSON.stringify(before.faults) !== JSON.stringify(now.faults)) {
    const names = Object.entries(now.faults).map(([key, fault]) => `${key} ${FAULTED[fault]}`);
    found.push({ control: "faults", text: names.length ? names.join(", ") : "All data sent" });
  }
  return found;
}

const FAULTED = { withhold: "not sent", refuse: "refused", damage: "damaged", delay: "late" };

function listChanges(control, before, now, name) {
  const missing = (list, other) => list.filter((item) => !other.some((one) => one.code === item.code));
  return [
    ...missing(now, before).map((item) => ({ control, text: `Added: ${name(item)}` })),
    ...missing(before, now).map((item) => ({ control, text: `Removed: ${name(item)}` })),
  ];
}

/** Both answers as a table. Nothing if there is no earlier answer about this patient. */
export function changeView({ base, answer, text, words }) {
  const [before, now] = [base, answer].map((one) => rowsOf(one, words));
  const same = before.key === now.key;
  return h("section", { class: "change-of-answer", "aria-label": "Before and after the last change" },
    h("h3", {}, `Last change: ${text}`),
    h("p", { class: "absent" }, same ? "The outcome stays the same." : "The outcome changes."),
    !same && h("table", {},
      h("thead", {}, h("tr", {}, ["", "Before", "Now"].map((name) => (name ? h("th", { scope: "col" }, name) : h("td", {}))))),
      h("tbody", {}, ["Card", "Dose or action", "Reason"].map((name, at) => h("tr", {},
        h("th", { scope: "row" }, name), h("td", {}, before.cells[at]), h("td", {}, now.cells[at]))))));
}

function rowsOf({ response, explained, hook, cards }, words) {
  const level = levelOf(cards);
  const labels = (cards ?? []).flatMap(({ suggestions = [] }) => suggestions.slice(0, 1).map(({ label }) => label));
  const card = [mark(level), " ", h("strong", {}, LEVELS[level].word), `: ${inWords(cards)}`];
  return { key: JSON.stringify([cards === null, (cards ?? []).map(({ summary }) => summary), labels]),
    cells: [card, labels.join("; ") || "none", response.ok && explained.ok ? reason(explained.body, hook, words) : "Data that the rules require are missing."] };
}

function reason(explained, hook, words) {
  const { kidney, cards = [] } = explained;
  const known = kidney && (kidney.class === "UNKNOWN" ? "kidney function not known"
    : `kidney function ${kidney.class.toLowerCase()}${kidney.value ? `, ${kidney.basis ?? "eGFR"} ${kidney.value}` : ""}`);
  const reasons = cards.length ? [known] : [...reasonsFor(explained, hook, words), known];
  return reasons.filter(Boolean).join("; ");
}
