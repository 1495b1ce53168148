// The three columns: people, the chart in brief with its edits, and what is asked.

import { h } from "./dom.js";
import {
  ageOn, allergies, magnesiumInMgDl, medicineName, medicines, nameOf, problems, referenceOf, results,
} from "./chart.js";
import { plot } from "./plot.js";
import { picker } from "./pickers.js";
import { EGFR_UNIT } from "./edits.js";
import { LEVELS, mark } from "./outcome.js";
import { FIRST } from "./state.js";

const ACTIVE = new Set(["active", "recurrence", "relapse", ""]);

// -------------------------------------------------------------------- people

/** The patients in groups by outcome, the first patient of the tour at the top. `levelFor(person)` */
export function peopleList(people, chosen, levelFor, choose) {
  const tour = people.filter(({ id }) => id === FIRST);
  const others = people.filter(({ id }) => id !== FIRST);
  const groups = [["tour", "Start here", tour], ...Object.entries(LEVELS).map(([level, { group }]) =>
    [level, group, others.filter((person) => levelFor(person) === level)])];
  return groups.filter(([, , members]) => members.length).map(([name, text, members]) => h("li", {},
    h("h3", { id: `group-${name}` }, text, h("small", {}, ` ${members.length}`)),
    h("ul", { "aria-labelledby": `group-${name}` }, members.map((person) => personView(person, chosen, levelFor(person), choose)))));
}

function personView({ id, name, story }, chosen, level, choose) {
  return h("li", {},
    h("button", { type: "button", class: "person", "data-patient": id, "aria-current": id === chosen ? "true" : false, onclick: () => choose(id) },
      mark(level), h("strong", {}, name), h("span", { class: "hidden-but-read" }, `(${LEVELS[level].word})`), h("span", { class: "about" }, story)));
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
        { from: 0, to: number("egfr.severe_below"), level: "critical" },
        { from: number("egfr.severe_below"), to: number("egfr.moderate_below"), level: "warning" },
      ],
      lines: [
        { at: number("egfr.severe_below"), text: "below: severe, no magnesium" },
        { at: number("egfr.moderate_below"), text: "below: moderate, low dose" },
      ],
    }),
    plot({
      title: "Serum magnesium", unit: "mg/dL", points: magnesium, range: [0.8, 3.2], today,
      bands: [
        { from: 0, to: number("magnesium.severe_low_mg_dl"), level: "critical" },
        { from: number("magnesium.severe_low_mg_dl"), to: number("magnesium.low_mg_dl"), level: "warning" },
        { from: number("magnesium.high_mg_dl"), to: 99, level: "critical" },
      ],
      lines: [
        { at: number("magnesium.severe_low_mg_dl"), text: "below: replace first" },
        { at: number("magnesium.low_mg_dl"), text: "below: low" },
        { at: number("magnesium.high_mg_dl"), text: "above: high" },
      ],
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

/** Problems, medicines and allergies, each with a way to take it out and to add one. */
export function listsView({ resources, remove, addProblem, addMedicine, open }) {
  const all = problems(resources);
  const known = all.filter(({ status, visit }) => ACTIVE.has(status) && !visit);
  const other = all.filter((problem) => !known.includes(problem));
  const drugs = medicines(resources);
  const taken = drugs.filter(({ status }) => ["active", "intended", "unknown", ""].includes(status));
  const allergic = allergies(resources);
  const item = (entry, more) => line(entry, more, remove, open);
  // On a narrow screen the lists would push the cards out of sight.
  const wide = !matchMedia("(max-width: 48rem)").matches;
  const list = (title, ...content) => h("details", { class: "list", open: wide }, h("summary", {}, h("h3", {}, title)), content);
  return [
    list(`Problems (${known.length})`,
      h("ul", {}, known.map((p) => item(p, [p.code, p.since && `since ${p.since}`]))),
      other.length > 0 && h("details", {}, h("summary", {}, `${other.length} inactive or of a single visit`),
        h("ul", {}, other.map((p) => item(p, [p.visit ? "visit" : p.status, p.since])))),
      picker({ label: "Add a diagnosis", path: "/sandbox/diagnoses", placeholder: "Crohn, CKD, pregnancy …", chosen: addProblem })),
    list(`Medicines (${taken.length})`,
      h("ul", {}, taken.map((m) => item(m, [m.dose, m.since && `since ${m.since}`]))),
      drugs.length > taken.length && h("details", {}, h("summary", {}, `${drugs.length - taken.length} stopped or completed`),
        h("ul", {}, drugs.filter((m) => !taken.includes(m)).map((m) => item(m, [m.status, m.since])))),
      picker({ label: "Add a medicine, taken for four months", path: "/sandbox/drugs", placeholder: "omeprazole, furosemide …", chosen: addMedicine })),
    allergic.length > 0 && list(`Allergies (${allergic.length})`,
      h("ul", {}, allergic.map((a) => item(a, [])))),
  ];
}

function line({ resource, text }, more, remove, open) {
  const added = String(resource.id ?? "").startsWith("added-");
  return h("li", { class: added ? "added" : "" },
    h("button", { type: "button", class: "plain", onclick: () => open(referenceOf(resource)) }, text),
    h("small", {}, more.filter(Boolean).join(" · ")),
    h("button", { type: "button", class: "remove", "aria-label": `Remove ${text}`, title: "Remove", onclick: () => remove(resource) }, "×"));
}

// ------------------------------------------------------------------ the call

/** Which moment. */
export function askedView(model) {
  const { hooks, hook, chooseHook } = model;
  return [
    h("fieldset", { class: "hooks" }, h("legend", {}, "When does the EHR ask?"),
      hooks.map((one) => h("label", { class: one.name === hook.name ? "on" : "" },
        h("input", { type: "radio", name: "hook", value: one.name, checked: one.name === hook.name, onchange: () => chooseHook(one) }),
        h("span", {}, h("strong", {}, one.moment), h("small", {}, one.name))))),
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
