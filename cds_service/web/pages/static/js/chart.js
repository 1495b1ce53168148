// Reading a chart, which is a list of FHIR resources, for showing it. Nothing is concluded here.

const MG_DL_PER_MMOL_L = "magnesium.mg_dl_per_mmol_l";
const MEQ_PER_MMOL = "magnesium.meq_per_mmol";

/** The resources in a Bundle of any kind. */
export function resourcesIn(bundle) {
  const entries = Array.isArray(bundle?.entry) ? bundle.entry : [];
  return entries.map((entry) => entry?.resource).filter((resource) => typeof resource?.resourceType === "string");
}

export function referenceOf({ resourceType, id }) {
  return `${resourceType}/${id ?? ""}`;
}

export function ofType(resources, ...types) {
  return resources.filter(({ resourceType }) => types.includes(resourceType));
}

/** The text of a CodeableConcept, or of its first coding. */
export function textOf(concept) {
  const coding = codingsOf(concept);
  return String(concept?.text ?? coding.find(({ display }) => display)?.display ?? coding[0]?.code ?? "");
}

export function codingsOf(concept) {
  return (Array.isArray(concept?.coding) ? concept.coding : []).filter((coding) => typeof coding === "object" && coding);
}

export function nameOf(patient) {
  const names = Array.isArray(patient?.name) ? patient.name : [];
  const name = names.find(({ use }) => use === "official") ?? names[0] ?? {};
  return String(name.text ?? [name.given, name.family].flat().filter(Boolean).join(" ")) || "No name";
}

/** Age in whole years on a day, or null. */
export function ageOn(patient, today) {
  const born = /^\d{4}(-\d\d(-\d\d)?)?$/.test(patient?.birthDate ?? "") ? patient.birthDate : null;
  if (!born) return null;
  const [year, month, day] = today.split("-");
  const full = (born + "-01-01".slice(born.length - 4)).split("-");
  const had = [month, day].join("-") >= [full[1] ?? "01", full[2] ?? "01"].join("-");
  return Number(year) - Number(full[0]) - (had ? 0 : 1);
}

export function problems(resources) {
  return ofType(resources, "Condition").map((resource) => ({
    resource,
    text: textOf(resource.code) || "Problem without a name",
    code: codingsOf(resource.code).find(({ code }) => code)?.code ?? "",
    status: codingsOf(resource.clinicalStatus)[0]?.code ?? "",
    since: day(resource.onsetDateTime, resource.onsetPeriod?.start, resource.recordedDate),
    until: day(resource.abatementDateTime, resource.abatementPeriod?.end, resource.onsetPeriod?.end),
    visit: (Array.isArray(resource.category) ? resource.category : [])
      .some((category) => codingsOf(category).some(({ code }) => code === "encounter-diagnosis")),
  }));
}

/** The first of some dates that is there, without its time. */
function day(...dates) {
  return String(dates.find(Boolean) ?? "").slice(0, 10);
}

export function medicines(resources) {
  return ofType(resources, "MedicationRequest", "MedicationStatement").map((resource) => ({
    resource,
    text: medicineName(resource, resources),
    dose: doseText(resource),
    status: String(resource.status ?? ""),
    since: day(resource.authoredOn, resource.effectivePeriod?.start, resource.effectiveDateTime, resource.dateAsserted),
    until: day(resource.effectivePeriod?.end, resource.dispenseRequest?.validityPeriod?.end),
  }));
}

export function procedures(resources) {
  return ofType(resources, "Procedure").map((resource) => ({
    resource,
    text: textOf(resource.code) || "Procedure without a name",
    status: String(resource.status ?? ""),
    since: day(resource.performedDateTime, resource.performedPeriod?.start),
    until: day(resource.performedPeriod?.end),
  }));
}

export function medicineName(resource, resources) {
  const reference = String(resource?.medicationReference?.reference ?? "");
  const referred = ofType(resources, "Medication").find((m) => reference.endsWith(referenceOf(m)));
  return textOf(resource?.medicationCodeableConcept) || textOf(referred?.code)
    || String(resource?.medicationReference?.display ?? "") || "Medicine without a name";
}

function doseText(resource) {
  const dosage = [resource.dosageInstruction, resource.dosage].flat().filter(Boolean);
  return dosage.map(({ text }) => text).filter(Boolean).join("; ");
}

export function allergies(resources) {
  return ofType(resources, "AllergyIntolerance").map((resource) => ({
    resource,
    text: textOf(resource.code) || "Allergy without a name",
    since: day(resource.onsetDateTime, resource.recordedDate),
  }));
}

/** All results of each test, newest first: [{text, codes, results: [{resource, date, value, status}]}]. */
export function tests(resources) {
  const found = new Map();
  for (const resource of ofType(resources, "Observation")) {
    const codes = codingsOf(resource.code).map(({ code }) => code).filter(Boolean);
    const text = textOf(resource.code) || "Result without a name";
    const key = codes[0] ?? text;
    if (!found.has(key)) found.set(key, { text, codes, results: [] });
    found.get(key).results.push({
      resource,
      date: day(resource.effectiveDateTime, resource.effectivePeriod?.start, resource.effectiveInstant, resource.issued),
      value: resultText(resource),
      status: String(resource.status ?? ""),
    });
  }
  for (const { results: all } of found.values()) all.sort((a, b) => b.date.localeCompare(a.date));
  return [...found.values()];
}

/** The value of a result with its unit, as it was reported. */
function resultText({ valueQuantity, valueString, valueInteger, valueCodeableConcept, component }) {
  if (valueQuantity) return quantityText(valueQuantity);
  const value = valueString ?? valueInteger ?? textOf(valueCodeableConcept);
  if (value !== "") return String(value);
  const parts = Array.isArray(component) ? component.map((part) => resultText(part ?? {})) : [];
  return parts.join(", ") || "no value";
}

function quantityText({ comparator, value, unit, code }) {
  const shown = String(unit ?? code ?? "").replace(/\{([^}]*)\}/g, "$1").replace("1.73_m2", "1.73 m²");
  return `${comparator ?? ""}${value ?? "?"} ${shown}`.trim();
}

/** Results with one of these LOINC codes, oldest first, as numbers where they are numbers. */
export function results(resources, codes, inUnit = (quantity) => quantity.value) {
  return ofType(resources, "Observation")
    .filter((r) => codingsOf(r.code).some(({ code }) => codes.includes(code)))
    .filter(({ status }) => !["entered-in-error", "cancelled"].includes(status))
    .map((resource) => ({
      resource,
      date: String(resource.effectiveDateTime ?? resource.effectivePeriod?.start ?? resource.issued ?? "").slice(0, 10),
      value: Number(inUnit(quantityOf(resource))),
      comparator: String(resource.valueQuantity?.comparator ?? ""),
    }))
    .filter(({ date, value }) => /^\d{4}-\d\d-\d\d$/.test(date) && Number.isFinite(value))
    .sort((a, b) => a.date.localeCompare(b.date));
}

function quantityOf(resource) {
  if (resource.valueQuantity) return resource.valueQuantity;
  const text = /^\s*[<>]?=?\s*(\d+(\.\d+)?)\s*$/.exec(String(resource.valueString ?? ""));
  return { value: text ? Number(text[1]) : Number.NaN };
}

/** Serum magnesium in mg/dL, whichever of the usual units a result carries. */
export function magnesiumInMgDl(parameters) {
  const perMmol = Number(parameters[MG_DL_PER_MMOL_L]);
  const factors = { "mmol/l": perMmol, "meq/l": perMmol / Number(parameters[MEQ_PER_MMOL]), "mg/dl": 1 };
  return ({ value, code, unit }) => value * (factors[String(code ?? unit ?? "mg/dL").toLowerCase()] ?? Number.NaN);
}
