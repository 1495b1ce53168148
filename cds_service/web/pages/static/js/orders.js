// An order as a pharmacist reads it: product, dose, times, supply, instruction.

import { h } from "./dom.js";
import { medicineName } from "./chart.js";

const UNITS = { s: "second", min: "minute", h: "hour", d: "day", wk: "week", mo: "month" };

/** Rows of [name, texts] of an order. Rows without a text are left out. */
export function orderRows(order) {
  const rows = order.resourceType === "MedicationRequest" ? medicationRows(order) : [
    ["Tests", [order.code, ...list(order.orderDetail)].map((concept) => concept?.text ?? concept?.coding?.[0]?.display)],
    ["Priority", [order.priority]],
    ["Instruction", [order.patientInstruction, ...list(order.note).map(({ text }) => text)]],
  ];
  return rows.map(([name, texts]) => [name, [...new Set(texts.filter(Boolean))]]).filter(([, texts]) => texts.length);
}

function medicationRows(order) {
  const steps = list(order.dosageInstruction);
  const supply = order.dispenseRequest ?? {};
  return [
    ["Product", [medicineName(order, [])]],
    ["Dose", steps.map((step) => numbered(step, steps, doseOf(step)))],
    ["Times", steps.map((step) => numbered(step, steps, timesOf(step)))],
    ["Most in a day", steps.map((step) => numbered(step, steps, ratio(step.maxDosePerPeriod)))],
    ["Supply", [first(supply.initialFill), quantity(supply.quantity) && `${quantity(supply.quantity)} in all`,
      quantity(supply.expectedSupplyDuration) && `for ${quantity(supply.expectedSupplyDuration)}`,
      supply.numberOfRepeatsAllowed !== undefined && `repeats: ${supply.numberOfRepeatsAllowed}`]],
    ["As written", steps.map(({ text }) => text)],
    ["Instruction", [...steps.map(({ patientInstruction }) => patientInstruction), ...list(order.note).map(({ text }) => text)]],
  ];
}

/** The rows of an order as a list; rows that differ from the other side are marked. */
export function orderView(order, other) {
  const others = new Map(other ? orderRows(other) : []);
  return h("dl", { class: "order-in-words" }, orderRows(order).map(([name, texts]) => {
    const differs = other && JSON.stringify(others.get(name)) !== JSON.stringify(texts);
    return h("div", {}, h("dt", {}, name), texts.map((text) => h("dd", {}, differs ? h("mark", {}, text) : text)));
  }));
}

function doseOf(step) {
  const rates = list(step.doseAndRate);
  const range = rates.find(({ doseRange }) => doseRange)?.doseRange;
  const dose = range ? `${quantity(range.low)} to ${quantity(range.high)}` : quantity(rates.find(({ doseQuantity }) => doseQuantity)?.doseQuantity);
  return [dose, step.route?.coding?.[0]?.display?.toLowerCase()].filter(Boolean).join(", ");
}

function timesOf(step) {
  const repeat = step.timing?.repeat ?? {};
  const text = step.timing?.code?.text ?? step.timing?.code?.coding?.[0]?.display;
  if (!repeat.frequency && !repeat.period) return text;
  const unit = UNITS[repeat.periodUnit] ?? repeat.periodUnit;
  const often = repeat.frequency === 1 || !repeat.frequency ? "once" : `${repeat.frequency} times`;
  const every = repeat.period === 1 || !repeat.period ? `a ${unit}` : `every ${repeat.period} ${unit}s`;
  const bound = quantity(repeat.boundsDuration);
  return [`${often} ${every}`, bound && `for ${bound}`, step.asNeededBoolean && "when needed"].filter(Boolean).join(", ");
}

const list = (value) => (Array.isArray(value) ? value.filter((item) => typeof item === "object" && item) : []);
const numbered = ({ sequence }, steps, text) => (text && steps.length > 1 ? `${sequence ?? "then"}. ${text}` : text);
const quantity = (value) => (value?.value === undefined ? "" : `${value.value} ${unitOf(value)}`.trim());
const unitOf = ({ unit, code }) => unit ?? code ?? "";
const ratio = (value) => quantity(list([value].flat())[0]?.numerator);
const first = (fill) => fill && `first fill ${[quantity(fill.quantity), quantity(fill.duration) && `for ${quantity(fill.duration)}`].filter(Boolean).join(", ")}`;
