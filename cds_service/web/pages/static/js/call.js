// A hook call as an EHR makes it: the prefetch templates of discovery, run on the chart at hand.

import { codingsOf, ofType, referenceOf } from "./chart.js";

const USER = "Practitioner/sandbox-clinician";
const SERVER = "https://ehr.example/fhir";

/** The whole body of a call. */
export function hookRequest({ service, resources, patientId, orders, selections }) {
  return {
    hook: service.hook,
    hookInstance: uuid(),
    context: { userId: USER, patientId, ...orderContext(service.hook, orders, selections) },
    prefetch: prefetch(service.prefetch, resources, patientId),
  };
}

/** What of a call depends on the drafts. */
export function orderContext(hook, orders, selections) {
  if (hook === "patient-view") return {};
  const draftOrders = { resourceType: "Bundle", type: "collection", entry: orders.map((resource) => ({ resource })) };
  return hook === "order-select" ? { selections, draftOrders } : { draftOrders };
}

/** Every key of the templates, answered from these resources as a FHIR server would. */
export function prefetch(templates, resources, patientId) {
  return Object.fromEntries(Object.entries(templates).map(([key, template]) => {
    const [path, query] = template.replaceAll("{{context.patientId}}", patientId).split("?");
    if (query === undefined) return [key, resources.find((r) => referenceOf(r) === path) ?? null];
    return [key, searchset(path, parameters(query), resources)];
  }));
}

function parameters(query) {
  return Object.fromEntries(query.split("&").map((pair) => {
    const at = pair.indexOf("=");
    return [pair.slice(0, at), pair.slice(at + 1)];
  }));
}

function searchset(type, { code, status, _sort, _count, _include }, resources) {
  const wanted = code ? new Set(code.split(",")) : null;
  let found = ofType(resources, type)
    .filter((r) => !status || r.status === status)
    .filter((r) => !wanted || codingsOf(r.code).some((c) => wanted.has(`${c.system}|${c.code}`)));
  if (_sort === "-date") found = found.sort((a, b) => when(b).localeCompare(when(a)));
  const page = found.slice(0, Number(_count ?? found.length));
  const medications = new Set(_include ? page.map((r) => r.medicationReference?.reference) : []);
  const included = ofType(resources, "Medication").filter((r) => medications.has(referenceOf(r)));
  return {
    resourceType: "Bundle",
    type: "searchset",
    total: found.length,
    entry: [...page.map((r) => entry(r, "match")), ...included.map((r) => entry(r, "include"))],
  };
}

function entry(resource, mode) {
  return { fullUrl: `${SERVER}/${referenceOf(resource)}`, resource, search: { mode } };
}

function when(resource) {
  const text = resource.effectiveDateTime ?? resource.effectivePeriod?.start ?? resource.performedDateTime
    ?? resource.performedPeriod?.start ?? resource.issued ?? "";
  const moment = new Date(text);
  return Number.isNaN(moment.valueOf()) ? "" : moment.toISOString();
}

/** A random id, also where the page is not served over TLS and `crypto.randomUUID` is missing. */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** The call for a terminal. */
export function curl(serviceId, body, state) {
  const url = `${location.origin}/cds-services/${serviceId}`;
  const send = "curl -s -H 'Content-Type: application/json' --data-binary @-";
  if (state) {
    const draft = state.draft ? `?draft=${state.draft}` : "";
    return `curl -s '${location.origin}/sandbox/requests/${state.patient}/${serviceId}${draft}' |\n  ${send} ${url}`;
  }
  // No line of compact JSON can be the word that ends the text.
  return `${send} ${url} <<'END_OF_CALL'\n${JSON.stringify(body)}\nEND_OF_CALL`;
}
