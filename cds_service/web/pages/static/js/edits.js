// Changes of a chart that somebody tries out. The chart itself stays as it is; a changed copy goes on.

import { ageOn, referenceOf } from "./chart.js";

const UCUM = "http://unitsofmeasure.org";
const CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical";
const VERIFIED = "http://terminology.hl7.org/CodeSystem/condition-ver-status";
const CATEGORY = "http://terminology.hl7.org/CodeSystem/condition-category";
const LOINC = "http://loinc.org";
export const EGFR_UNIT = "mL/min/{1.73_m2}";

/** The resources with the edits made. */
export function edited(resources, edits, { today, labs, patientId }) {
  const subject = { reference: `Patient/${patientId}` };
  const kept = resources
    .filter((resource) => !edits.removed.includes(referenceOf(resource)))
    .map((resource) => (resource.resourceType === "Patient" ? aged(resource, edits.age, today) : resource));
  return [
    ...kept,
    ...edits.added.map((item, at) => (item.kind === "drug" ? medicine(item, at, subject, today) : problem(item, at, subject, today))),
    ...(edits.egfr === null ? [] : [result("edited-egfr", labs.egfr[0], "eGFR", edits.egfr, EGFR_UNIT, subject, today)]),
    ...(edits.magnesium === null ? [] : [result("edited-magnesium", labs.magnesium[0], "Magnesium", edits.magnesium, "mg/dL", subject, today)]),
  ];
}

function aged(patient, age, today) {
  if (age === null || ageOn(patient, today) === age) return patient;
  return { ...patient, birthDate: `${String(Number(today.slice(0, 4)) - age).padStart(4, "0")}-01-01` };
}

function problem({ system, code, display }, at, subject, today) {
  return {
    resourceType: "Condition",
    id: `added-${at}`,
    clinicalStatus: { coding: [{ system: CLINICAL, code: "active" }] },
    verificationStatus: { coding: [{ system: VERIFIED, code: "confirmed" }] },
    category: [{ coding: [{ system: CATEGORY, code: "problem-list-item" }] }],
    code: { coding: [{ system, code, display }], text: display },
    subject,
    recordedDate: daysBefore(today, 30),
  };
}

function medicine({ system, code, display, days }, at, subject, today) {
  return {
    resourceType: "MedicationRequest",
    id: `added-${at}`,
    status: "active",
    intent: "order",
    medicationCodeableConcept: { coding: [{ system, code, display }], text: display },
    subject,
    authoredOn: daysBefore(today, days ?? 120),
    dosageInstruction: [{ text: "Once daily", timing: { repeat: { frequency: 1, period: 1, periodUnit: "d" } } }],
  };
}

function result(id, code, text, value, unit, subject, today) {
  return {
    resourceType: "Observation",
    id,
    status: "final",
    category: [{ coding: [{ system: "http://terminology.hl7.org/CodeSystem/observation-category", code: "laboratory" }] }],
    code: { coding: [{ system: LOINC, code }], text },
    subject,
    effectiveDateTime: today,
    valueQuantity: { value, unit, system: UCUM, code: unit },
  };
}

export function daysBefore(today, days) {
  const day = new Date(`${today}T00:00:00Z`);
  day.setUTCDate(day.getUTCDate() - days);
  return day.toISOString().slice(0, 10);
}

/** A draft order as an order form gives it. */
export function draftOrder({ id, system, code, display, dose, unit, frequency, reason }, patientId, today) {
  const order = {
    resourceType: "MedicationRequest",
    id,
    status: "draft",
    intent: "order",
    medicationCodeableConcept: code ? { coding: [{ system, code, display }], text: display } : { text: display },
    subject: { reference: `Patient/${patientId}` },
    authoredOn: today,
    requester: { reference: "Practitioner/sandbox-clinician" },
    dosageInstruction: [{
      text: `${dose} ${unit} ${frequency === 1 ? "once" : `${frequency} times`} daily`,
      timing: { repeat: { frequency, period: 1, periodUnit: "d" } },
      doseAndRate: [{ doseQuantity: quantity(dose, unit) }],
    }],
  };
  return reason ? { ...order, reasonReference: [{ reference: reason }] } : order;
}

function quantity(value, unit) {
  const code = { mg: "mg", g: "g", mL: "mL" }[unit] ?? `{${unit}}`;
  return { value, unit, system: UCUM, code };
}
