// The timeline of a chart: problems, medicines, results and procedures against one axis of time.
// Each row states its dates in words; the bar beside it shows the same, and the last two years.

import { allergies, medicines, problems, procedures, referenceOf, tests } from "./chart.js";
import { dayText, monthsBetween, timeOf } from "./dates.js";
import { h, svg } from "./dom.js";
import { picker } from "./pickers.js";

const YEAR = 365.25 * 86_400_000;
const YEARS = 2; // as far as the rules look back for most facts
const ROWS = 10;
const CURRENT = new Set(["active", "recurrence", "relapse", "intended", "unknown", ""]);
const FINAL = new Set(["final", "amended", "corrected"]);
const GAP = 13; // of the width, between two values
const opened = new Map();
const LABS = { egfr: "eGFR", creatinine: "Creatinine", magnesium: "Serum magnesium" };

/** `remove(resource)` takes an entry out, `open(reference)` shows it, the other two add one. */
export function timelineView({ resources, setup, remove, addProblem, addMedicine, open }) {
  const end = Date.parse(setup.today);
  const scale = { start: end - YEARS * YEAR, end };
  const handlers = { remove, open, scale };
  // On a narrow screen the rows would push everything else out of sight.
  const wide = !matchMedia("(max-width: 48rem)").matches;
  const lane = (title, rows, ...more) => rows.length + more.length > 0 && foldable({ class: "lane" }, title, wide,
    h("summary", {}, h("h3", {}, title)),
    rows.some(({ since, results }) => since || results) && axis(scale), rows.length > 0 && rowList(rows, handlers), more);
  const [known, others] = resultRows(resources, setup.labs);
  const [allProblems, allMedicines] = [problems(resources).map(problemRow), medicines(resources).map(medicineRow)];
  return h("section", { class: "timeline", "aria-label": "Timeline" },
    h("h2", {}, "Timeline"),
    h("p", { class: "absent" }, "The bars show the last two years. A bar with an arrow began earlier."),
    lane(counted("Problems", allProblems), inOrder(allProblems),
      picker({ label: "Add a diagnosis", path: "/sandbox/diagnoses", placeholder: "Crohn, CKD, pregnancy …", chosen: addProblem })),
    lane(counted("Medicines", allMedicines), inOrder(allMedicines),
      picker({ label: "Add a medicine, taken for four months", path: "/sandbox/drugs", placeholder: "omeprazole, furosemide …", chosen: addMedicine })),
    lane(`Kidney and magnesium results (${known.length})`, known),
    lane(`Procedures (${procedures(resources).length})`, inOrder(procedures(resources).map(procedureRow))),
    lane(`Allergies (${allergies(resources).length})`, allergies(resources).map(allergyRow)),
    others.length > 0 && foldable({ class: "lane" }, "Other results", false, h("summary", {}, h("h3", {}, `Other results (${others.length})`)),
      axis(scale), rowList(others, handlers)));
}

/** Details that stay open or closed when the timeline is drawn again. The number in a title may change. */
function foldable(attributes, title, isOpen, ...content) {
  const name = title.replace(/ \(.*/, "");
  const details = h("details", { ...attributes, open: opened.get(name) ?? isOpen }, content);
  details.addEventListener("toggle", () => opened.set(name, details.open));
  return details;
}

function counted(title, rows) {
  const now = rows.filter(({ past }) => !past).length;
  return `${title} (${now}${rows.length > now ? `, and ${rows.length - now} in the past` : ""})`;
}

// ----------------------------------------------------------------------- rows

/** A row: its name, its dates in words, and what is drawn: a span of time, or points. */
function problemRow({ resource, text, code, status, since, until, visit }) {
  const past = visit || !CURRENT.has(status);
  const dates = visit ? on("at a visit", since) : period(past ? status : "", since, until);
  return { resource, text, past, note: [dates, code], since, until: visit ? since : until, isOpen: !past };
}

function medicineRow({ resource, text, dose, status, since, until }) {
  const past = !CURRENT.has(status);
  return { resource, text, past, note: [period(past ? status : "", since, until), dose], since, until: past ? until || since : "", isOpen: !past };
}

function procedureRow({ resource, text, status, since, until }) {
  const word = ["completed", ""].includes(status) ? "" : status;
  return { resource, text, past: false, note: [until ? period(word, since, until) : on(word, since)], since, until: until || since, isOpen: false };
}

function allergyRow({ resource, text, since }) {
  return { resource, text, past: false, note: [since && `recorded ${dayText(since)}`], since: null, until: null, isOpen: false };
}

function period(word, since, until) {
  const dates = since && until ? `${dayText(since)} to ${dayText(until)}` : since ? `since ${dayText(since)}` : until ? `until ${dayText(until)}` : "no date";
  return [word, word && !until && since ? `began ${dayText(since)}` : dates].filter(Boolean).join(", ");
}

const on = (word, date) => [word, dated(date)].filter(Boolean).join(", ");

/** A row for each result that the rules read, and one for each other test. */
function resultRows(resources, labs) {
  const all = tests(resources);
  const isOf = (name) => ({ codes }) => codes.some((code) => labs[name].includes(code));
  const known = Object.entries(LABS).map(([name, text]) => resultRow(text, all.filter(isOf(name)))).filter(({ results }) => results.length);
  const others = all.filter((test) => !Object.keys(LABS).some((name) => isOf(name)(test)));
  return [known, others.map((test) => resultRow(test.text, [test]))];
}

function resultRow(text, some) {
  const results = some.flatMap((test) => test.results.map((result) => ({ ...result, name: test.text })))
    .toSorted((a, b) => b.date.localeCompare(a.date));
  const [newest] = results;
  const note = newest ? [`${newest.value}, ${dated(newest.date)}`, results.length > 1 && `${results.length} results`] : [];
  return { text, results, note };
}

const dated = (date) => (date ? dayText(date) : "no date");

/** Current rows first, the oldest at the top, then past ones, the newest at the top. */
function inOrder(rows) {
  const byStart = rows.toSorted((a, b) => (a.since || "9").localeCompare(b.since || "9"));
  return [...byStart.filter(({ past }) => !past), ...byStart.filter(({ past }) => past).reverse()];
}

// -------------------------------------------------------------------- drawing

function rowList(rows, handlers) {
  const list = (some) => h("ul", {}, some.map((row) => (row.results ? resultView(row, handlers) : rowView(row, handlers))));
  const rest = rows.slice(ROWS);
  return [list(rows.slice(0, ROWS)), rest.length > 0 && h("details", { class: "more" }, h("summary", {}, `${rest.length} more`), list(rest))];
}

function rowView({ resource, text, note, past, ...time }, handlers) {
  const added = String(resource.id ?? "").startsWith("added-");
  return h("li", { class: ["event", past && "past", added && "added"].filter(Boolean).join(" ") },
    h("div", { class: "what" }, opener(resource, text, handlers), h("small", {}, note.filter(Boolean).join(" · "))),
    time.since !== null && track(handlers.scale, 16, span(time, handlers.scale)),
    remover(resource, text, handlers));
}

function resultView({ text, note, results }, handlers) {
  const [{ resource }] = results;
  const each = results.map((result) => h("li", {}, opener(result.resource, `${result.value}, ${dated(result.date)}`, handlers),
    h("small", {}, [result.name !== text && result.name, !FINAL.has(result.status) && (result.status || "no status")].filter(Boolean).join(", ")),
    remover(result.resource, `${text} of ${dated(result.date)}`, handlers)));
  return h("li", { class: String(resource.id ?? "").startsWith("edited-") ? "event added" : "event" },
    h("div", { class: "what" }, opener(resource, text, handlers), h("small", {}, note.filter(Boolean).join(" · ")),
      results.length > 1 && foldable({ class: "all" }, `All results of ${text}`, false, h("summary", {}, `All results of ${text}`), h("ul", {}, each))),
    track(handlers.scale, 30, points(results, handlers.scale)),
    results.length === 1 && remover(resource, text, handlers));
}

function opener(resource, text, { open }) {
  return h("button", { type: "button", class: "plain", onclick: () => open(referenceOf(resource)) }, text);
}

function remover(resource, text, { remove }) {
  if (String(resource.id ?? "").startsWith("edited-")) return null;
  return h("button", { type: "button", class: "remove", "aria-label": `Remove ${text}`, title: "Remove", onclick: () => remove(resource) }, "×");
}

const percent = (time, { start, end }) => Math.min(100, Math.max(0, ((time - start) / (end - start)) * 100));

function track({ start, end }, height, content) {
  const lines = monthsBetween(start, end, [1, 7]).map((day) => percent(Date.parse(day), { start, end }));
  return h("div", { class: "track" }, svg("svg", { width: "100%", height, "aria-hidden": "true" },
    [...lines, 100].map((at) => svg("line", { class: at === 100 ? "grid now" : "grid", x1: `${at}%`, x2: `${at}%`, y1: 0, y2: height })), content));
}

function axis({ start, end }) {
  const months = monthsBetween(start, end, [1, 7]).map((day) => [percent(Date.parse(day), { start, end }), dayText(day.slice(0, 7))]);
  // The last label gives way to "today".
  const shown = months.filter(([at]) => at < 74 && at > 8);
  return h("div", { class: "axis-of-time" }, h("div", { class: "track" }, svg("svg", { width: "100%", height: 14, "aria-hidden": "true" },
    shown.map(([at, text]) => svg("text", { x: `${at}%`, y: 11, "text-anchor": "middle" }, text)),
    svg("text", { x: "100%", y: 11, "text-anchor": "end" }, "today"))));
}

/** A bar from the first to the last day, to today if it is open, or a point for one day. */
function span({ since, until, isOpen }, scale) {
  const first = timeOf(since);
  const last = isOpen ? scale.end : timeOf(until) ?? first;
  if (first === null || last === null) return null;
  const isEarlier = first < scale.start;
  const [from, to] = [percent(first, scale), percent(last, scale)];
  if (last < scale.start) return arrow();
  if (to - from < 1) return svg("circle", { class: "moment", cx: `${to}%`, cy: 8, r: 4.5 });
  return [svg("rect", { class: "span", x: `${from}%`, width: `${to - from}%`, y: 4, height: 8, rx: 2 }), isEarlier && arrow()];
}

const arrow = () => svg("path", { class: "earlier", d: "M-6 8 1 2V14Z" });

/** A point for each result, with its value where there is space. The newest has one in any case. */
function points(results, scale) {
  const dated = results.filter(({ date }) => timeOf(date) !== null).map((result) => ({ ...result, at: percent(timeOf(result.date), scale), isEarlier: timeOf(result.date) < scale.start }));
  const labels = [];
  for (const { value, at, isEarlier } of dated) {
    if (!isEarlier && labels.every((other) => Math.abs(other.at - at) > GAP)) labels.push({ at, text: value.split(" ")[0] });
  }
  return [
    dated.map(({ at, isEarlier }) => (isEarlier ? null : svg("circle", { class: "moment", cx: `${at}%`, cy: 22, r: 3.5 }))),
    dated.some(({ isEarlier }) => isEarlier) && svg("path", { class: "earlier", d: "M-6 22 1 16V28Z" }),
    labels.map(({ at, text }) => svg("text", { class: "value", x: `${at}%`, y: 12, "text-anchor": at > 92 ? "end" : at < 8 ? "start" : "middle" }, text)),
  ];
}
