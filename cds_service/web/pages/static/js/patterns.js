// Patterns for the levels, so that they differ without colours too: lines, dots, and plain.

import { svg } from "./dom.js";

const SIZE = 8;
const SHAPES = {
  critical: () => svg("path", { class: "stroke", d: "M-1 1 1-1M0 8 8 0M7 9 9 7" }),
  warning: () => [svg("circle", { class: "dot", cx: 2, cy: 2, r: 1.1 }), svg("circle", { class: "dot", cx: 6, cy: 6, r: 1.1 })],
};

/** The definitions of the patterns of one picture. `name` must differ from those of other pictures. */
export function patterns(name) {
  return svg("defs", {}, Object.entries(SHAPES).map(([level, shapes]) =>
    svg("pattern", { id: `${name}-${level}`, class: `pattern ${level}`, width: SIZE, height: SIZE, patternUnits: "userSpaceOnUse" }, shapes())));
}

/** The fill of a level, or null for a level that has no pattern. */
export function patternOf(name, level) {
  return Object.hasOwn(SHAPES, level) ? `url(#${name}-${level})` : null;
}
