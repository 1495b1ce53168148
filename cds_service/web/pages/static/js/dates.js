// FHIR dates for people. A partial date stays partial.

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DATE = /^(\d{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12]\d|3[01]))?)?/;

/** "12 Mar 2024", "Mar 2024" or "2024". A text that is not a date is shown as it is. */
export function dayText(text) {
  const [, year, month, day] = DATE.exec(text) ?? [];
  if (!year) return text;
  return [day && String(Number(day)), month && MONTHS[Number(month) - 1], year].filter(Boolean).join(" ");
}

/** The beginning of a date in milliseconds, or null. */
export function timeOf(text) {
  const [found] = DATE.exec(text) ?? [];
  return found ? Date.parse(found) : null;
}

/** The first day of each month with one of these numbers (1 to 12) between two times. */
export function monthsBetween(start, end, numbers) {
  const days = [];
  const first = new Date(start).getUTCFullYear();
  for (let year = first; year <= new Date(end).getUTCFullYear(); year += 1) {
    days.push(...numbers.map((month) => `${year}-${String(month).padStart(2, "0")}-01`));
  }
  return days.filter((day) => Date.parse(day) > start && Date.parse(day) < end);
}
