// Every patient at every hook, as a table: one mark for each call, to click on.

import { h } from "./dom.js";
import { differ, inWords, levelOf, LEVELS, mark } from "./outcome.js";

/**
 * `rows`: [{patient, hook, draft, cards, why}]; `people` include those of the user's own.
 * `other` are the same calls with the other values, named `otherName`, or null without a site file.
 * `choose(row)` opens the call.
 */
export function overview({ rows, other, otherName, people, hooks, choose }) {
  const changed = other ? rows.filter((row) => differ(row.cards, twin(row, other)?.cards)) : [];
  const body = h("tbody");
  const only = h("input", { type: "checkbox", id: "only-changed", onchange: () => show() });
  const show = () => body.replaceChildren(...people.filter(({ id }) => !only.checked || changed.some(({ patient }) => patient === id))
    .map((person) => rowView({ person, rows, other, otherName, changed, hooks, choose })));
  show();
  return h("div", { class: "overview" },
    h("p", { class: "key" }, Object.entries(LEVELS).map(([level, { word }]) => h("span", {}, mark(level), ` ${word} ${rows.filter(({ cards }) => levelOf(cards) === level).length}`))),
    h("p", { class: "absent" }, "A hook with orders has one mark for each draft of the patient. Choose a mark to open the call."),
    other && h("p", { class: "compared" }, h("strong", {}, `${changed.length} of ${rows.length} outcomes differ from those with the ${otherName}. `),
      changed.length > 0 && ["They are framed. ", only, " ", h("label", { for: "only-changed" }, "Show only these patients")]),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Patients and hooks" }, h("table", {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Patient"), hooks.map(({ moment }) => h("th", { scope: "col" }, moment)))),
      body)));
}

const twin = (row, rows) => rows.find(({ patient, hook, draft }) => patient === row.patient && hook === row.hook && draft === row.draft);

function rowView({ person, rows, other, otherName, changed, hooks, choose }) {
  const marks = (hook) => {
    const here = rows.filter((row) => row.patient === person.id && row.hook === hook);
    if (!here.length) return h("span", { class: "absent" }, "no order");
    return here.map((row) => markOf(row, person, changed.includes(row) && `With the ${otherName}: ${inShort(twin(row, other))}`, choose));
  };
  return h("tr", {},
    h("th", { scope: "row" }, person.name, person.isOwn && h("small", {}, `your own: ${person.story}`)),
    hooks.map(({ name }) => h("td", {}, marks(name))));
}

function markOf(row, person, otherwise, choose) {
  const text = [person.drafts[row.draft], inShort(row), otherwise].filter(Boolean).join(". ");
  return h("button", { type: "button", class: otherwise ? "outcome differs" : "outcome", title: text, "aria-label": `${person.name}. ${text}`, onclick: () => choose(row) }, mark(levelOf(row.cards)));
}

/** The outcome of a call in a few words. */
function inShort(row) {
  const level = levelOf(row?.cards ?? null);
  if (level === "none") return "No card";
  return `${LEVELS[level].word}: ${row?.why || inWords(row?.cards ?? null)}`;
}
