// A plot of one result over time. Values and dates are written at the points, and the bands in which
// the rules decide otherwise have a name and a pattern.

import { dayText, monthsBetween, timeOf } from "./dates.js";
import { svg, h } from "./dom.js";
import { patternOf, patterns } from "./patterns.js";

const HEIGHT = 200;
const EDGE = { left: 34, right: 16, top: 12, bottom: 30 };
const DAY = 86_400_000;
const LETTER = 6.2; // the usual width of a letter of the labels
const MOST = 40;

/**
 * `points`: [{date, value, comparator, edited}]; `bands`: [{from, to, level, text}]; `limits`: [number].
 * `range` is the least that is shown of the value. The drawing follows the width of its place.
 */
export function plot(model) {
  const { title, unit, points, bands } = model;
  const place = h("div", { class: "drawing", role: "img", "aria-label": inSentences(title, unit, points, bands) });
  let drawn = 0;
  new ResizeObserver(() => {
    if (place.clientWidth === drawn || !place.clientWidth) return;
    drawn = place.clientWidth;
    place.replaceChildren(drawing(model, drawn));
  }).observe(place);
  return h("figure", { class: "plot" }, h("figcaption", {}, h("strong", {}, title), ` ${unit}`, latest(points)), place);
}

function drawing({ title, points, bands, limits, range, today }, width) {
  const shown = points.slice(-MOST);
  const name = `plot-${title.toLowerCase().replaceAll(/[^a-z]+/g, "-")}`;
  const end = Date.parse(today);
  const start = Math.min(...shown.map(({ date }) => Date.parse(date)), end - 365 * DAY);
  const low = Math.min(range[0], ...shown.map(({ value }) => value));
  const high = Math.max(range[1], ...shown.map(({ value }) => value));
  const right = width - EDGE.right;
  const bottom = HEIGHT - EDGE.bottom;
  const x = (time) => EDGE.left + 14 + ((time - start) / (end - start || 1)) * (right - EDGE.left - 28);
  const y = (value) => bottom - ((value - low) / (high - low)) * (bottom - EDGE.top);
  const inside = (value) => Math.min(high, Math.max(low, value));
  const areas = bands.map((band) => ({ ...band, top: y(inside(band.to)), bottom: y(inside(band.from)) }));
  const at = shown.map((point) => ({ ...point, x: x(timeOf(point.date)), y: y(point.value) }));
  const taken = areas.map(({ top, text }) => box(EDGE.left + 6, top + 8, text, "start"));
  const newest = at.at(-1);
  const values = placed(at.toReversed(), taken, valueBoxes, newest);
  const dates = placed(at.toReversed(), [], (point) => [dateBox(point, width, bottom)], newest);
  const months = monthsBetween(start, end, end - start > 3 * 365 * DAY ? [1] : [1, 7]).map((day) => ({ date: day, x: x(Date.parse(day)) }));
  const ticks = placed(months, dates, (month) => [box(month.x, bottom + 26, dayText(month.date.slice(0, 7)), "middle")]);
  return svg("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, "aria-hidden": "true" },
    patterns(name),
    areas.map(({ level, top, bottom: base }) => ["", patternOf(name, level)].map((fill) => svg("rect", {
      class: fill ? "texture" : `band ${level}`, fill: fill || false, x: EDGE.left, y: top, width: right - EDGE.left, height: Math.max(0, base - top),
    }))),
    limits.map((value) => [
      svg("line", { class: "threshold", x1: EDGE.left, x2: right, y1: y(value), y2: y(value) }),
      svg("text", { class: "axis", x: EDGE.left - 5, y: y(value) + 4, "text-anchor": "end" }, value),
    ]),
    areas.map(({ top, text }) => svg("text", { class: "meaning", x: EDGE.left + 6, y: top + 12 }, text)),
    svg("line", { class: "base", x1: EDGE.left, x2: right, y1: bottom, y2: bottom }),
    at.length > 1 && svg("polyline", { class: "course", points: at.map((point) => `${point.x},${point.y}`).join(" ") }),
    at.map((point) => [
      svg("line", { class: "tick-of-point", x1: point.x, x2: point.x, y1: bottom, y2: bottom + 4 }),
      svg("circle", { class: point.edited ? "point edited" : "point", cx: point.x, cy: point.y, r: point.edited ? 5.5 : 3.5 },
        svg("title", {}, `${valueOf(point)} on ${dayText(point.date)}`)),
    ]),
    values.map((label) => written("value", label)),
    dates.map((label) => written("axis date", label)),
    ticks.map((label) => [svg("line", { class: "tick-of-month", x1: label.x, x2: label.x, y1: bottom, y2: bottom + 16 }), written("axis month", label)]));
}

const written = (kind, { item, text, x, y, anchor }) => svg("text", { class: item.edited ? `${kind} edited` : kind, x, y, "text-anchor": anchor }, text);

/** The space that a text needs, with the text itself. `y` is its base line. */
function box(x, y, text, anchor) {
  const wide = text.length * LETTER;
  const left = { start: x, middle: x - wide / 2, end: x - wide }[anchor];
  return { x, y, text, anchor, left, right: left + wide, top: y - 10, bottom: y + 2 };
}

const valueBoxes = (point) => [point.y - 8, point.y + 17].map((y) => box(point.x, y, valueOf(point), "middle"));

function dateBox(point, width, bottom) {
  const text = point.edited ? "today, as set" : dayText(point.date);
  const wide = text.length * LETTER;
  return box(Math.min(point.x, width - wide / 2 - 2), bottom + 14, text, "middle");
}

/** A label for each item that has space next to the earlier ones. `sure` gets one in any case. */
function placed(items, taken, choices, sure) {
  const used = [...taken];
  const found = [];
  for (const item of items) {
    const boxes = choices(item);
    const free = boxes.find((one) => used.every((other) => apart(one, other))) ?? (item === sure ? boxes[0] : null);
    if (!free) continue;
    used.push(free);
    found.push({ ...free, item });
  }
  return found;
}

const apart = (one, other) => one.right + 4 < other.left || other.right + 4 < one.left || one.bottom < other.top || other.bottom < one.top;

function latest(points) {
  const last = points.at(-1);
  if (!last) return h("span", { class: "latest" }, "no result on file");
  return h("span", { class: "latest" }, h("b", {}, valueOf(last)), ` ${last.edited ? "as set" : `on ${dayText(last.date)}`}`);
}

function inSentences(title, unit, points, bands) {
  const values = points.slice(-5).map((point) => `${valueOf(point)} on ${dayText(point.date)}`);
  const names = bands.map(({ from, to, text }) => `${text} (${Number.isFinite(to) ? `${from} to below ${to}` : `above ${from}`})`);
  return `${title} in ${unit}. ${values.length ? `Latest results: ${values.join(", ")}` : "No result"}. Bands: ${names.join(", ")}.`;
}

function valueOf({ comparator, value }) {
  return `${comparator}${Math.round(value * 100) / 100}`;
}
