// A small plot of one result over time, with the thresholds that the rules compare with drawn in.

import { svg, h } from "./dom.js";

const WIDTH = 420;
const HEIGHT = 150;
const EDGE = { left: 34, right: 12, top: 12, bottom: 22 };
const DAY = 86_400_000;

/**
 * `points`: [{date, value, comparator, edited}]; `bands`: [{from, to, level}]; `lines`: [{at, text}].
 * `range` is the least that is shown of the value.
 */
export function plot({ title, unit, points, bands, lines, range, today }) {
  const shown = points.slice(-40);
  const end = Date.parse(today);
  const start = Math.min(...shown.map(({ date }) => Date.parse(date)), end - 365 * DAY);
  const low = Math.min(range[0], ...shown.map(({ value }) => value));
  const high = Math.max(range[1], ...shown.map(({ value }) => value));
  const x = (date) => EDGE.left + ((Date.parse(date) - start) / (end - start || 1)) * (WIDTH - EDGE.left - EDGE.right);
  const y = (value) => HEIGHT - EDGE.bottom - ((value - low) / (high - low)) * (HEIGHT - EDGE.top - EDGE.bottom);
  const inside = (value) => Math.min(high, Math.max(low, value));
  return h("figure", { class: "plot" },
    h("figcaption", {}, h("strong", {}, title), ` ${unit}`, latest(shown)),
    svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": said(title, unit, shown, lines) },
      bands.map(({ from, to, level }) => svg("rect", {
        class: `band ${level}`,
        x: EDGE.left,
        width: WIDTH - EDGE.left - EDGE.right,
        y: y(inside(to)),
        height: Math.max(0, y(inside(from)) - y(inside(to))),
      })),
      lines.map(({ at }) => [
        svg("line", { class: "threshold", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(at), y2: y(at) }),
        svg("text", { class: "axis", x: EDGE.left - 5, y: y(at) + 4, "text-anchor": "end" }, at),
      ]),
      yearMarks(start, end).map((year) => {
        const at = x(`${year}-01-01`);
        return svg("text", { class: "axis", x: at, y: HEIGHT - 6, "text-anchor": "middle" }, year);
      }),
      svg("text", { class: "axis", x: WIDTH - EDGE.right, y: HEIGHT - 6, "text-anchor": "end" }, "today"),
      shown.length > 1 && svg("polyline", { class: "course", points: shown.map((p) => `${x(p.date)},${y(p.value)}`).join(" ") }),
      shown.map((point) => svg("circle", { class: point.edited ? "point edited" : "point", cx: x(point.date), cy: y(point.value), r: point.edited ? 5.5 : 3.5 },
        svg("title", {}, `${point.comparator}${point.value} on ${point.date}`))),
      lines.map(({ at, text }) => svg("text", { class: "meaning", x: EDGE.left + 6, y: y(at) + 13 }, text))));
}

function latest(points) {
  const last = points.at(-1);
  if (!last) return h("span", { class: "latest" }, "no result on file");
  return h("span", { class: "latest" }, h("b", {}, `${last.comparator}${rounded(last.value)}`), ` ${last.edited ? "as set" : `on ${last.date}`}`);
}

function said(title, unit, points, lines) {
  const values = points.slice(-5).map(({ date, value, comparator }) => `${comparator}${rounded(value)} on ${date}`);
  const limits = lines.map(({ at, text }) => `${text} ${at}`).join(", ");
  return `${title} in ${unit}. ${values.length ? `Latest results: ${values.join(", ")}` : "No result"}. Thresholds: ${limits}.`;
}

function rounded(value) {
  return String(Math.round(value * 100) / 100);
}

function yearMarks(start, end) {
  const first = new Date(start).getUTCFullYear() + 1;
  const last = new Date(end).getUTCFullYear();
  const step = Math.max(1, Math.ceil((last - first + 1) / 5));
  const years = [];
  for (let year = first; year <= last; year += step) {
    if (end - Date.parse(`${year}-01-01`) > (end - start) * 0.12) years.push(year);
  }
  return years;
}
