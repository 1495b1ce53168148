// Every patient at every hook, as a table: one mark for each call, to click on.

import { h } from "./dom.js";
import { inWords, levelOf, LEVELS, mark } from "./outcome.js";

/** `rows`: [{patient, hook, draft, cards}]. `choose(row)` opens the call. */
export function overview({ rows, people, hooks, choose }) {
  return h("div", { class: "overview" },
    h("p", { class: "key" }, Object.entries(LEVELS).map(([level, { word }]) => h("span", {}, mark(level), ` ${word} ${rows.filter(({ cards }) => levelOf(cards) === level).length}`))),
    h("p", { class: "absent" }, "A hook with orders has one mark for each draft of the patient. Choose a mark to open the call."),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Patients and hooks" }, h("table", {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Patient"), hooks.map(({ moment }) => h("th", { scope: "col" }, moment)))),
      h("tbody", {}, people.map((person) => h("tr", {},
        h("th", { scope: "row" }, person.name),
        hooks.map(({ name }) => h("td", {}, cell(rows.filter((row) => row.patient === person.id && row.hook === name), person, choose)))))))));
}

function cell(rows, person, choose) {
  if (!rows.length) return h("span", { class: "absent" }, "no order");
  return rows.map((row) => {
    const level = levelOf(row.cards);
    const text = [person.drafts[row.draft], level === "none" ? "No card" : `${LEVELS[level].word}: ${inWords(row.cards)}`].filter(Boolean).join(". ");
    return h("button", { type: "button", class: "outcome", title: text, "aria-label": `${person.name}. ${text}`, onclick: () => choose(row) }, mark(level));
  });
}
