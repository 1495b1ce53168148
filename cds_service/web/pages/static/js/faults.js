// Faults of the data of a call: what an EHR may do wrong with each prefetch key.

import { h } from "./dom.js";

export const FAULTS = {
  withhold: "not sent",
  refuse: "refused by the FHIR server",
  damage: "damaged on the way",
  delay: "fetched, and too late",
};
export const LABS = ["kidneyLabs", "magnesiumLabs"];

const REFUSAL = {
  resourceType: "OperationOutcome",
  issue: [{ severity: "error", code: "forbidden", details: { text: "The EHR does not allow this search." } }],
};

/** The request with the faults in it. */
export function withFaults(request, faults) {
  if (!Object.keys(faults).length) return request;
  const prefetch = { ...request.prefetch };
  for (const [key, fault] of Object.entries(faults)) {
    if (fault === "withhold" || fault === "delay") delete prefetch[key];
    else if (fault === "refuse") prefetch[key] = REFUSAL;
    else if (fault === "damage") prefetch[key] = JSON.stringify(prefetch[key] ?? null).slice(0, 60);
  }
  return { ...request, prefetch };
}

/** The keys of a service that its FHIR server does not deliver in time. */
export function lateKeys(faults, service) {
  return Object.keys(service.prefetch).filter((key) => faults[key] === "delay");
}

/** The faults with one more: `fault` is empty to take it away. */
export function setFault(faults, key, fault) {
  const { [key]: _, ...others } = faults;
  return fault ? { ...others, [key]: fault } : others;
}

/** One switch for each key. `set(key, fault)` */
export function faultsView({ keys, faults, words, set }) {
  const count = Object.keys(faults).length;
  return h("details", { class: "list", open: count > 0 },
    h("summary", {}, h("h3", {}, count ? `Data faults (${count})` : "Data faults")),
    h("p", { class: "absent" }, "An EHR may not send all data, and its FHIR server may not answer in time. Choose a fault for a prefetch key, and see what the service does."),
    h("ul", { class: "faults" }, keys.map((key) => {
      const id = `fault-${key}`;
      const select = h("select", { id, onchange: () => set(key, select.value) },
        h("option", { value: "" }, "sent"),
        Object.entries(FAULTS).map(([fault, text]) => h("option", { value: fault, selected: faults[key] === fault }, text)));
      return h("li", {}, h("label", { for: id }, sentence(words[`gap.${key}`] ?? key), h("small", {}, key)), select);
    })));
}

const sentence = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);
