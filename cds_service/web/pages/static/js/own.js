// Patients of the user's own: read from a text, and kept in this page until it is closed.

import { nameOf, ofType, referenceOf, resourcesIn } from "./chart.js";
import { uuid } from "./call.js";

let made = 0;

/** A patient of the user's own from a text. Throws an Error that says what is wrong.
 *  `source` says where the text came from. `rows` will hold the outcomes, by the values in force. */
export function readOwn(text, hooks, source) {
  const own = contentOf(text, hooks);
  made += 1;
  return { ...own, key: `own-${made}`, name: safeName(own), story: `${own.request ? `Request of ${own.hook}` : "Bundle"}, ${source}`, rows: {}, last: null };
}

/** A part of a prefetch that has data in it. */
export const isData = (value) => value !== null && value?.resourceType !== "OperationOutcome";

function contentOf(text, hooks) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error("This is not valid JSON.");
  }
  if (value?.resourceType === "Bundle") return fromBundle(value, hooks);
  const asked = hooks.find(({ name }) => name === value?.hook);
  if (asked) return fromRequest(value, asked);
  throw new Error(`This is neither a Bundle nor a request of one of the hooks ${hooks.map(({ name }) => name).join(", ")}.`);
}

function fromBundle(value, hooks) {
  const entries = (Array.isArray(value.entry) ? value.entry : []).filter((entry) => entry?.resource?.resourceType)
    .map(({ fullUrl, resource }) => ({ fullUrl, resource: resource.id ? resource : { ...resource, id: uuid() } }));
  const names = new Map(entries.filter(({ fullUrl }) => fullUrl).map(({ fullUrl, resource }) => [fullUrl, referenceOf(resource)]));
  const resources = entries.map(({ resource }) => relinked(resource, names));
  const patients = ofType(resources, "Patient");
  if (patients.length !== 1) throw new Error(`The Bundle holds ${patients.length} patients; one is needed.`);
  const isDraft = ({ status }) => status === "draft";
  const orders = ofType(resources, "MedicationRequest", "ServiceRequest").filter(isDraft);
  return { hook: hooks[0].name, patientId: patients[0].id, resources: resources.filter((one) => !orders.includes(one)), orders, request: null };
}

/** A copy in which references by full URL ("urn:uuid:…") are references by type and id. */
function relinked(value, names) {
  if (Array.isArray(value)) return value.map((item) => relinked(item, names));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) =>
    [name, name === "reference" && names.has(inner) ? names.get(inner) : relinked(inner, names)]));
}

function fromRequest(request, asked) {
  const parts = Object.values(request.prefetch ?? {}).filter(isData);
  const resources = parts.flatMap((part) => (part?.resourceType === "Bundle" ? resourcesIn(part) : [part]));
  const orders = resourcesIn(request.context?.[asked.orders]);
  return { hook: request.hook, patientId: String(request.context?.patientId ?? "").replace(/^Patient\//, ""), resources, orders, request };
}

/** A chart of somebody's own may hold anything, also as a name. */
function safeName({ resources, patientId }) {
  try {
    const name = nameOf(ofType(resources, "Patient")[0]);
    return name === "No name" && patientId ? `Patient ${patientId}` : name;
  } catch {
    return "A patient without a readable name";
  }
}
