// What is being looked at, and its form as the fragment of a link. Only synthetic patients get there:
// data that somebody pasted or uploaded never enter an address.

import { FAULTS } from "./faults.js";

export const FIRST = "marigold-fenwick";
export const DEFAULTS = "defaults";

/** A state with nothing changed. `values` is empty for those in force, or `defaults`. */
export function fresh(patient, hook) {
  return { patient, hook, draft: null, orders: [], changes: {}, edits: noEdits(), faults: {}, values: "", own: null };
}

/** Edits of a chart: none. */
export function noEdits() {
  return { egfr: null, magnesium: null, age: null, added: [], removed: [] };
}

/** Whether the chart is as it came. */
export function unedited({ egfr, magnesium, age, added, removed }) {
  return egfr === null && magnesium === null && age === null && !added.length && !removed.length;
}

/** The fragment that leads back to a state. */
export function toFragment(state) {
  if (state.own) return "";
  const parts = new URLSearchParams({ patient: state.patient, hook: state.hook });
  if (state.draft) parts.set("draft", state.draft);
  if (state.values) parts.set("values", state.values);
  const more = {};
  if (!unedited(state.edits)) more.edits = state.edits;
  if (state.orders.length) more.orders = state.orders;
  if (Object.keys(state.changes).length) more.changes = state.changes;
  if (Object.keys(state.faults).length) more.faults = state.faults;
  if (Object.keys(more).length) parts.set("with", encoded(more));
  return `#${parts}`;
}

/** The state a fragment leads to, or null where it is none of ours. */
export function fromFragment(fragment, { patients, hooks, site }) {
  const parts = new URLSearchParams(fragment.replace(/^#/, ""));
  const person = patients.find(({ id }) => id === parts.get("patient"));
  if (!person || !hooks.some(({ name }) => name === parts.get("hook"))) return null;
  const state = fresh(person.id, parts.get("hook"));
  if (Object.hasOwn(person.drafts, parts.get("draft"))) state.draft = parts.get("draft");
  if (site && parts.get("values") === DEFAULTS) state.values = DEFAULTS;
  const more = decoded(parts.get("with"));
  state.edits = editsIn(more.edits);
  state.faults = Object.fromEntries(Object.entries(more.faults ?? {}).filter(([, fault]) => Object.hasOwn(FAULTS, fault)));
  state.orders = listOf(more.orders, (order) => typeof order === "object" && order !== null);
  state.changes = typeof more.changes === "object" && more.changes ? more.changes : {};
  return state;
}

function editsIn(given) {
  const edits = noEdits();
  if (typeof given !== "object" || given === null) return edits;
  for (const name of ["egfr", "magnesium", "age"]) {
    if (Number.isFinite(given[name])) edits[name] = given[name];
  }
  edits.added = listOf(given.added, (item) => typeof item?.code === "string");
  edits.removed = listOf(given.removed, (item) => typeof item === "string");
  return edits;
}

function listOf(value, wanted) {
  return Array.isArray(value) ? value.filter(wanted) : [];
}

function encoded(value) {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function decoded(text) {
  if (!text) return {};
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)) ?? {};
  } catch {
    return {};
  }
}
