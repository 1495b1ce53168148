// The parts of the page: people, the head of the chart with the sliders, and what is asked.

import { h } from "./dom.js";
import { ageOn, magnesiumInMgDl, medicineName, nameOf, problems, referenceOf, results } from "./chart.js";
import { plot } from "./plot.js";
import { picker } from "./pickers.js";
import { EGFR_UNIT } from "./edits.js";
import { LEVELS, mark } from "./outcome.js";
import { DEFAULTS, FIRST } from "./state.js";

const ACTIVE = new Set(["active", "recurrence", "relapse", ""]);

// -------------------------------------------------------------------- people

/** The patients in groups: the first one of the tour, the user's own, then the others by outcome.
 *  `levelFor(person)` is null while the outcome is not known. `forget(person)` takes an own one away. */
export function peopleList({ people, chosen, levelFor, choose, forget }) {
  const tour = people.filter(({ id }) => id === FIRST);
  const own = people.filter(({ isOwn }) => isOwn);
  const others = people.filter((person) => person.id !== FIRST && !person.isOwn);
  const groups = [["own", "Your own patients", own], ["tour", "Start here", tour], ["asking", "Outcomes not known yet", others.filter((person) => levelFor(person) === null)], ...Object.entries(LEVELS).map(([level, { group }]) =>
    [level, group, others.filter((person) => levelFor(person) === level)])];
  return groups.filter(([, , members]) => members.length).map(([name, text, members]) => h("li", {},
    h("h3", { id: `group-${name}` }, text, h("small", {}, ` ${members.length}`)),
    h("ul", { "aria-labelledby": `group-${name}` }, members.map((person) => personView(person, chosen, levelFor(person), choose, forget)))));
}

function personView(person, chosen, level, choose, forget) {
  const { id, name, story, isOwn } = person;
  return h("li", { class: isOwn ? "own-person" : "" },
    h("button", { type: "button", class: "person", "data-patient": id, "aria-current": id === chosen ? "true" : false, onclick: () => choose(person) },
      level === null ? h("span", { class: "mark asking", "aria-hidden": "true" }, "…") : mark(level),
      h("strong", {}, name), h("span", { class: "hidden-but-read" }, `(${level === null ? "asking" : LEVELS[level].word})`), h("span", { class: "about" }, story)),
    isOwn && h("button", { type: "button", class: "remove", "aria-label": `Forget ${name}`, title: "Forget", onclick: () => forget(person) }, "×"));
}

export function matching(people, text) {
  const asked = text.toLowerCase().split(/\s+/).filter(Boolean);
  return people.filter(({ name, story }) => asked.every((word) => `${name} ${story}`.toLowerCase().includes(word)));
}

// --------------------------------------------------------------------- chart

/** The head of a chart: who this is. */
export function headView({ person, story, today, changed, reset }) {
  const age = ageOn(person, today);
  const facts = [age === null ? "age unknown" : `${age} years`, person?.gender ?? "sex unknown"];
  if (person?.deceasedBoolean || person?.deceasedDateTime) facts.push("deceased");
  return h("header", { class: "who" },
    h("h2", { tabindex: "-1" }, nameOf(person)),
    h("p", {}, facts.join(", "), changed && [" ", h("span", { class: "badge draft" }, "Chart edited"), " ", h("button", { type: "button", class: "small", onclick: reset }, "Undo all edits")]),
    story && h("p", { class: "story" }, story));
}

/** Both plots, with the thresholds of the knowledge. */
export function plotsView({ resources, setup, edits }) {
  const { parameters: p, labs, today } = setup;
  const number = (id) => Number(p[id]);
  const egfr = results(resources, labs.egfr);
  const magnesium = results(resources, labs.magnesium, magnesiumInMgDl(p));
  for (const [points, edit] of [[egfr, edits.egfr], [magnesium, edits.magnesium]]) {
    if (edit !== null && points.length) points.at(-1).edited = true;
  }
  return [
    plot({
      title: "eGFR", unit: "mL/min/1.73 m²", points: egfr, range: [0, 120], today,
      bands: [
        { from: 0, to: number("egfr.severe_below"), level: "critical", text: "severe: no magnesium" },
        { from: number("egfr.severe_below"), to: number("egfr.moderate_below"), level: "warning", text: "moderate: low dose" },
      ],
      limits: ["egfr.severe_below", "egfr.moderate_below"].map(number),
    }),
    plot({
      title: "Serum magnesium", unit: "mg/dL", points: magnesium, range: [0.8, 3.2], today,
      bands: [
        { from: 0, to: number("magnesium.severe_low_mg_dl"), level: "critical", text: "very low: replace first" },
        { from: number("magnesium.severe_low_mg_dl"), to: number("magnesium.low_mg_dl"), level: "warning", text: "low" },
        { from: number("magnesium.high_mg_dl"), to: Infinity, level: "critical", text: "high" },
      ],
      limits: ["magnesium.severe_low_mg_dl", "magnesium.low_mg_dl", "magnesium.high_mg_dl"].map(number),
    }),
  ];
}

/** The sliders and the age: what is tried out on the chart. */
export function triesView({ setup, person, edits, resources, setNumber }) {
  const egfr = results(resources, setup.labs.egfr).at(-1)?.value;
  const magnesium = results(resources, setup.labs.magnesium, magnesiumInMgDl(setup.parameters)).at(-1)?.value;
  return h("section", { class: "tries", "aria-label": "Try a change" },
    slider({ name: "egfr", text: "eGFR today", unit: EGFR_UNIT, min: 5, max: 120, step: 1, set: edits.egfr, recorded: egfr && Math.round(egfr), otherwise: 75, setNumber }),
    slider({ name: "magnesium", text: "Magnesium today", unit: "mg/dL", min: 0.8, max: 6, step: 0.1, set: edits.magnesium, recorded: magnesium && Math.round(magnesium * 10) / 10, otherwise: 2, setNumber }),
    slider({ name: "age", text: "Age", unit: "years", min: 0, max: 100, step: 1, set: edits.age, recorded: ageOn(person, setup.today), otherwise: 40, setNumber }));
}

function slider({ name, text, unit, min, max, step, set, recorded, otherwise, setNumber }) {
  const id = `try-${name}`;
  const place = (value) => String(Math.min(max, Math.max(min, value ?? recorded ?? otherwise)));
  const shown = h("output", { for: id });
  const input = h("input", { id, type: "range", min, max, step });
  const clear = h("button", { type: "button", class: "small", "aria-label": `Undo ${text}` }, "Undo");
  const show = (value) => {
    const at = value ?? recorded ?? null;
    shown.textContent = at === null ? "none" : String(at);
    shown.classList.toggle("set", value !== null);
    input.setAttribute("aria-valuetext", at === null ? "no result on file" : `${at} ${unit}${value === null ? ", as recorded" : ""}`);
    clear.disabled = value === null;
  };
  input.value = place(set);
  show(set);
  input.addEventListener("input", () => {
    show(Number(input.value));
    setNumber(name, Number(input.value));
  });
  clear.addEventListener("click", () => {
    input.value = place(null);
    show(null);
    setNumber(name, null);
    input.focus();
  });
  return h("div", { class: "try" }, h("label", { for: id }, text), input, shown, clear);
}

// ------------------------------------------------------------------ the call

/** Which moment, and by which values where there is a site file. */
export function askedView({ hooks, hook, chooseHook, site, values, chooseValues }) {
  const radio = (name, value, on, text, more, chosen) => h("label", { class: on ? "on" : "" },
    h("input", { type: "radio", name, value, checked: on, onchange: chosen }),
    h("span", {}, h("strong", {}, text), h("small", {}, more)));
  return [
    h("fieldset", { class: "hooks" }, h("legend", {}, "When does the EHR ask?"),
      hooks.map((one) => radio("hook", one.name, one.name === hook.name, one.moment, one.name, () => chooseHook(one)))),
    site && h("fieldset", { class: "hooks values" }, h("legend", {}, "By which values?"),
      radio("values", "site", !values, site.title, `site file ${site.label}`, () => chooseValues("")),
      radio("values", DEFAULTS, values === DEFAULTS, "Built-in defaults", "without the site file", () => chooseValues(DEFAULTS))),
  ];
}

/** The orders of the call, and a form for one more. */
export function draftsView({ drafts, draft, chooseDraft, orders, selections, hook, removeOrder, orderForm, resources }) {
  const given = Object.entries(drafts);
  const select = h("select", { id: "draft", onchange: () => chooseDraft(select.value || null) },
    h("option", { value: "" }, given.length ? "None of the given ones" : "This patient has none"),
    given.map(([id, title]) => h("option", { value: id, selected: id === draft }, title)));
  return h("section", { class: "drafts", "aria-label": "Draft orders" },
    h("label", { for: "draft" }, "Given orders"), select,
    h("h3", {}, `Unsigned orders (${orders.length})`),
    h("ul", {}, orders.map((order) => h("li", {},
      h("span", {}, orderName(order, resources)),
      h("small", {}, [orderDose(order), hook.selections && (selections.includes(referenceOf(order)) ? "just picked" : "pending")].filter(Boolean).join(" · ")),
      h("button", { type: "button", class: "remove", "aria-label": `Remove ${orderName(order, resources)}`, onclick: () => removeOrder(order) }, "×")))),
    orders.length === 0 && h("p", { class: "absent" }, "No order yet: choose a given one or write one."),
    orderForm);
}

export function orderName(order, resources) {
  if (order.resourceType === "ServiceRequest") return order.code?.text ?? order.code?.coding?.[0]?.display ?? "Laboratory test";
  return medicineName(order, resources);
}

function orderDose(order) {
  const dosage = Array.isArray(order.dosageInstruction) ? order.dosageInstruction : [order.dosageInstruction];
  return dosage.map((part) => part?.text).filter(Boolean).join("; ");
}

/** A form for an own order: drug, dose, how often, why. */
export function orderForm(resources, add) {
  let drug = null;
  const chosen = h("p", { class: "absent", "aria-live": "polite" }, "No drug chosen yet. A name that is not found can be ordered as free text.");
  const find = picker({ label: "Drug", path: "/sandbox/drugs", placeholder: "magnesium citrate, topiramate …", keep: true, chosen: (item) => {
    drug = item;
    chosen.textContent = [`RxNorm ${item.code}`, ...item.groups].join(" · ");
  } });
  const text = find.querySelector("input");
  text.addEventListener("input", () => { drug = null; });
  const dose = h("input", { id: "order-dose", type: "number", min: "0.1", step: "any", value: "1", required: true });
  const unit = h("select", { id: "order-unit" }, ["tablet", "capsule", "mg", "mL", "g"].map((u) => h("option", {}, u)));
  const often = h("select", { id: "order-often" }, [1, 2, 3, 4].map((n) => h("option", { value: n }, n === 1 ? "once a day" : `${n} times a day`)));
  const reason = h("select", { id: "order-reason" }, h("option", { value: "" }, "not stated"),
    problems(resources).filter(({ status, resource }) => ACTIVE.has(status) && resource.id).map(({ resource, text: name }) => h("option", { value: referenceOf(resource) }, name)));
  const field = (label, input) => h("div", {}, h("label", { for: input.id }, label), input);
  const form = h("form", { class: "order" }, find, chosen,
    h("div", { class: "fields" }, field("Dose", dose), field("Unit", unit), field("How often", often), field("Reason", reason)),
    h("button", {}, "Add this order"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const name = drug?.display ?? text.value.trim();
    if (!name) return text.focus();
    return add({ system: drug?.system, code: drug?.code, display: name, dose: Number(dose.value), unit: unit.value, frequency: Number(often.value), reason: reason.value });
  });
  return h("details", { class: "write" }, h("summary", {}, "Write an order"), form);
}
