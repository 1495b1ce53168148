// Three buttons that play a story on the chart that is shown. Each is a switch.

import { get } from "./api.js";
import { LABS, setFault } from "./faults.js";

const EGFR = 22;
const LAXATIVE = "magnesium hydroxide 80 MG/ML Oral Suspension";

/** Each story: whether it is on in a state, and the state with it on or off. `load` gets what `set` needs. */
export const STORIES = {
  egfr: {
    on: ({ edits }) => edits.egfr === EGFR,
    set: (state, on) => ({ ...state, edits: { ...state.edits, egfr: on ? EGFR : null } }),
  },
  laxative: {
    on: ({ edits }) => edits.added.some(({ display }) => display === LAXATIVE),
    load: laxative,
    set(state, on, item) {
      const others = state.edits.added.filter(({ display }) => display !== LAXATIVE);
      const added = on ? [...others, item] : others;
      return { ...state, edits: { ...state.edits, added } };
    },
  },
  labs: {
    on: ({ faults }) => LABS.every((key) => faults[key] === "withhold"),
    set: (state, on) => ({ ...state, faults: LABS.reduce((faults, key) => setFault(faults, key, on ? "withhold" : ""), state.faults) }),
  },
};

async function laxative() {
  const found = await get(`/sandbox/drugs?q=${encodeURIComponent(LAXATIVE)}`);
  const { system, code, display } = found.find((drug) => drug.display === LAXATIVE);
  return { kind: "drug", system, code, display };
}
