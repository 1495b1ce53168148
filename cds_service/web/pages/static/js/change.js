// What the last change did: the answer before it and the answer now, side by side.

import { decisionOf } from "./cards.js";
import { h } from "./dom.js";
import { inWords, levelOf, LEVELS, mark } from "./outcome.js";
import { orderRows } from "./orders.js";
import { reasonsFor, withheldText } from "./panels.js";

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
  if (before.values !== now.values) found.push({ control: "values", text: now.values ? "built-in defaults in place of the site file" : "site file in place of the built-in defaults" });
  if (before.hook !== now.hook) found.push({ control: "hook", text: hooks.find(({ name }) => name === now.hook)?.moment ?? now.hook });
  const orders = ({ draft, orders: own, changes: made }) => JSON.stringify([draft, own, made]);
  if (orders(before) !== orders(now)) found.push({ control: "orders", text: "Orders changed" });
  if (JSON.stringify(before.faults) !== JSON.stringify(now.faults)) {
    const names = Object.entries(now.faults).map(([key, fault]) => `${key} ${FAULTED[fault]}`);
    found.push({ control: "faults", text: names.length ? names.join(", ") : "All data sent" });
  }
  return found;
}

const FAULTED = { withhold: "not sent", refuse: "refused", damage: "damaged", delay: "too late" };

function listChanges(control, before, now, name) {
  const missing = (list, other) => list.filter((item) => !other.some((one) => one.code === item.code));
  return [
    ...missing(now, before).map((item) => ({ control, text: `Added: ${name(item)}` })),
    ...missing(before, now).map((item) => ({ control, text: `Removed: ${name(item)}` })),
  ];
}

/** Both answers as a table. Nothing if there is no earlier answer about this patient.
 *  With `whole`, draft orders and the texts of the cards are compared too. */
export function changeView({ base, answer, text, words, whole }) {
  // Two cards have two texts. Those of one card can be compared.
  const named = ({ cards }) => JSON.stringify((cards ?? []).map((card) => decisionOf(card)?.card));
  const [before, now] = [base, answer].map((one) => rowsOf(one, words, whole, named(base) === named(answer)));
  const rows = [...before.keys()].filter((name) => before.get(name).key || now.get(name).key).map((name) => [name, before.get(name), now.get(name)]);
  const same = rows.every(([name, one, other]) => name === "Reason" || one.key === other.key);
  return h("section", { class: "change-of-answer", "aria-label": "Before and after the last change" },
    h("h3", {}, `Last change: ${text}`),
    h("p", { class: "absent" }, same ? "The outcome stays the same." : "The outcome changes."),
    !same && h("table", {},
      h("thead", {}, h("tr", {}, ["", "Before", "Now"].map((name) => (name ? h("th", { scope: "col" }, name) : h("td", {}))))),
      h("tbody", {}, rows.map(([name, one, other]) => h("tr", {},
        h("th", { scope: "row" }, name), h("td", {}, one.cell(other)), h("td", {}, other.cell(one)))))));
}

/** The rows of an answer by name: a key to compare with, and the content of its cell. */
function rowsOf({ response, explained, hook, cards }, words, whole, withText) {
  const level = levelOf(cards);
  const offers = (cards ?? []).flatMap(({ suggestions = [] }) => suggestions);
  const labels = offers.map(({ label }) => label).join("; ");
  const because = response.ok && explained.ok ? reason(explained.body, hook, words) : "Data that the rules require are missing.";
  const rows = new Map([
    ["Card", { key: JSON.stringify([level, inWords(cards)]), cell: () => [mark(level), " ", h("strong", {}, LEVELS[level].word), `: ${inWords(cards)}`] }],
    ["Dose or action", { key: labels || "none", cell: () => labels || "none" }],
    ["Reason", { key: because, cell: () => because }],
  ]);
  if (whole) rows.set("Draft order", linesRow(offers.flatMap(({ actions = [] }) => actions).filter(({ type, resource }) => type === "create" && resource.resourceType === "MedicationRequest").flatMap(({ resource }) =>
      orderRows(resource).filter(([name]) => COMPARED.has(name)).map(([name, texts]) => `${name}: ${texts.join("; ")}`))));
  if (whole && withText) rows.set("Text of the card", linesRow((cards ?? []).flatMap(({ detail = "" }) => detail.split("\n").map(plain).filter(Boolean))));
  return rows;
}

const COMPARED = new Set(["Product", "Dose", "Times", "Most in a day", "Supply"]);

/** A row of lines. Its cell has those that the other side does not have. */
function linesRow(lines) {
  const cell = ({ lines: others }) => {
    const own = lines.filter((line) => !others.includes(line));
    return own.length ? own.map((line) => h("p", {}, line)) : h("span", { class: "absent" }, lines.length ? "the same" : "none");
  };
  return { key: lines.join("\n"), lines, cell };
}

/** A line of Markdown without its signs. */
const plain = (line) => line.replaceAll(/^[-\s]+|\*\*|\\(?=\W)/g, "").trim();

function reason(explained, hook, words) {
  const { kidney, cards = [], withheld = [] } = explained;
  const known = kidney && (kidney.class === "UNKNOWN" ? "kidney function not known"
    : `kidney function ${kidney.class.toLowerCase()}${kidney.value ? `, ${kidney.basis ?? "eGFR"} ${kidney.value}` : ""}`);
  const reasons = cards.length ? [known] : [...reasonsFor(explained, hook, words), known];
  reasons.unshift(...withheld.map(withheldText));
  return reasons.filter(Boolean).join("; ");
}
