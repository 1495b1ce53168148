// The tabs beside the cards: why, request, response, discovery.

import { h, fill } from "./dom.js";

const NAMES = { why: "Why", request: "Request", response: "Response", discovery: "Discovery" };
const OUTCOMES = { fired: "gave a card", met: "yes", "not met": "no", blocked: "stops it", unknown: "not known" };

/** Tabs after the ARIA pattern: arrow keys move, the panel follows. Returns the element and `show`. */
export function tabs(chosen, onChoose) {
  const panel = h("div", { role: "tabpanel", id: "panel", tabindex: "0" });
  const buttons = Object.entries(NAMES).map(([name, text]) => h("button", {
    type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "panel", "data-tab": name,
    onclick: () => choose(name),
    onkeydown: (event) => moved(event, buttons),
  }, text));
  function choose(name) {
    for (const button of buttons) {
      const on = button.dataset.tab === name;
      button.setAttribute("aria-selected", on);
      button.tabIndex = on ? 0 : -1;
    }
    panel.setAttribute("aria-labelledby", `tab-${name}`);
    onChoose(name, panel);
  }
  const element = h("div", { class: "panels" }, h("div", { role: "tablist", "aria-label": "About this call" }, buttons), panel);
  choose(chosen);
  return element;
}

function moved(event, buttons) {
  const step = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  const at = buttons.indexOf(event.currentTarget);
  const to = Number.isFinite(step) ? (at + step + buttons.length) % buttons.length : step < 0 ? 0 : buttons.length - 1;
  buttons[to].focus();
  buttons[to].click();
}

/** JSON with a button that copies it. `more` are further buttons: [text, what to copy]. */
export function json(label, value, ...more) {
  const text = JSON.stringify(value, null, 2);
  return [
    h("p", { class: "row" }, copyButton("Copy JSON", () => text), more.map(([name, content]) => copyButton(name, content))),
    h("pre", { class: "json", tabindex: "0", role: "region", "aria-label": label }, text),
  ];
}

export function copyButton(text, content) {
  const button = h("button", { type: "button" }, text);
  button.addEventListener("click", async () => {
    button.textContent = (await copied(content())) ? "Copied" : "Copying failed";
    setTimeout(() => { button.textContent = text; }, 1600);
  });
  return button;
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copiedTheOldWay(text);
  }
}

function copiedTheOldWay(text) {
  const area = h("textarea", { class: "hidden-but-read", "aria-hidden": "true" });
  area.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  const worked = document.execCommand("copy");
  area.remove();
  return worked;
}

/** The whole explanation of a decision. `open(reference)` shows a resource; `words` name facts. */
export function why(explained, hook, words, open) {
  const rules = explained.rules ?? [];
  const facts = explained.facts ?? [];
  const unknown = facts.filter(({ state }) => state === "unknown");
  const gaps = explained.unknown ?? [];
  return [
    verdict(explained, hook, words),
    explained.kidney && kidney(explained.kidney, explained.magnesium, open),
    (explained.withheld ?? []).length > 0 && section("Decided, and not shown", explained.withheld.map((card) => h("li", {}, withheldText(card)))),
    section("Found in the chart", facts.filter(({ state }) => state === "present").map((fact) => found(fact, words, open)), "Nothing that bears on the rules."),
    (unknown.length > 0 || gaps.length > 0) && section("Not known", [
      ...gaps.map((gap) => h("li", {}, h("strong", {}, words[`gap.${gap.key}`] ?? gap.key), gap.why ? `: ${gap.why}` : "")),
      ...unknown.map((fact) => h("li", {}, h("strong", {}, factName(fact, words)), fact.why ? `: ${fact.why}` : "")),
    ]),
    (explained.setAside ?? []).length > 0 && section("Set aside", explained.setAside.map((item) =>
      h("li", {}, resourceButton(item.resource, open), ` ${[item.what, item.why].filter(Boolean).join(": ")}`))),
    h("h3", {}, "Looked for and not there"),
    h("p", { class: "absent" }, facts.filter(({ state }) => state === "absent").map((fact) => factName(fact, words)).join(" · ") || "Nothing."),
    h("details", {}, h("summary", {}, `All ${rules.length} rules considered`), ruleTable(rules, words)),
  ];
}

function section(title, items, otherwise = "") {
  return [h("h3", {}, title), items.length ? h("ul", { class: "facts" }, items) : h("p", { class: "absent" }, otherwise)];
}

const WITHHELD = {
  silentHere: () => "the site file only has it recorded",
  neverHere: () => "the site file never has it shown",
  notAskedFor: () => "the client did not ask for it",
  lockedUntil: (day) => `it was shown before, and is shown again from ${day}`,
};

/** In words, why a card that was decided is not returned. */
export function withheldText({ card, indicator, ...why }) {
  const reasons = Object.entries(why).map(([name, value]) => WITHHELD[name]?.(value) ?? name);
  return `${card} (${indicator}) was decided and is not shown: ${reasons.join(", ")}`;
}

function verdict(explained, hook, words) {
  const { cards = [], rules = [], withheld = [] } = explained;
  if (cards.length) {
    const links = rules.filter(({ outcome }) => outcome === "fired").map(({ rule }) => h("a", { href: `/evidence#${rule}`, target: "_blank", rel: "noopener" }, rule));
    return h("p", { class: "verdict" }, h("strong", {}, cards.length === 1 ? "One card came: " : `${cards.length} cards came: `),
      links.flatMap((link, at) => (at ? [", ", link] : [link])), ".");
  }
  const reasons = withheld.length ? withheld.map(withheldText) : reasonsFor(explained, hook, words);
  return h("p", { class: "verdict" }, h("strong", {}, "No card came. "),
    reasons.length ? `What stood in the way: ${reasons.join("; ")}.` : "No rule found anything to say at this moment.");
}

const GATES = {
  adult: { "not met": "not an adult", unknown: "the age is not known" },
  migraine: { "not met": "no migraine on record", unknown: "it is not known whether there is migraine" },
  indication: { "not met": "no risk factor for magnesium deficiency" },
};

/** In words, what kept a card from coming. A check of orders needs neither migraine nor risk factor. */
export function reasonsFor({ rules = [], kidney: known }, hook, words) {
  const orders = rules.filter(({ rule }) => rule.startsWith("order "));
  const kinds = orders.filter(({ outcome }) => outcome === "met").map(({ why: kind }) => kind);
  const blocked = rules.filter(({ outcome }) => outcome === "blocked");
  if (rules.some(({ rule }) => rule === "alive")) return ["the patient has died"];
  if (hook.orders && !hook.selections) return [kinds.includes("magnesium") ? "no check of the magnesium order found anything" : "no order here is one that is checked"];
  if (hook.selections && !kinds.length) return ["no order just picked is one that this service acts on"];
  const needed = !hook.orders || kinds.includes("acute") ? ["adult", "migraine", "indication"] : ["adult", "migraine"];
  const reasons = rules.filter(({ rule }) => needed.includes(rule)).map(({ rule, outcome }) => GATES[rule][outcome]).filter(Boolean);
  reasons.push(...blocked.map((rule) => blockText(rule, words)));
  if (hook.selections && known?.class === "SEVERE") reasons.push("kidney function is severely reduced");
  return reasons;
}

function blockText({ rule, why: reason }, words) {
  if (rule === "no suggestion") return reason;
  const name = words[`fact.${rule.replace(/^no /, "")}`] ?? rule.replace(/^no /, "").replaceAll("_", " ");
  return `${/^[A-Z]{2}/.test(name) ? name : name.slice(0, 1).toLowerCase() + name.slice(1)} (${reason})`;
}

function kidney(known, magnesium, open) {
  return h("div", { class: "kidney" },
    h("h3", {}, "Kidney function"),
    h("p", {}, h("span", { class: `class ${known.class}` }, known.class),
      known.value && ` ${known.basis ?? "eGFR"} ${known.text ?? known.value}`, known.date && `, ${known.date.slice(0, 10)}`, " ",
      known.resource && resourceButton(known.resource, open)),
    known.why && h("p", { class: "absent" }, known.rule === "unknown" ? "No line of the kidney table holds for this chart." : known.why, " ", known.rule && h("a", { href: `/evidence#kidney-${known.rule}`, target: "_blank", rel: "noopener" }, "rule")),
    (known.flags ?? []).length > 0 && h("p", { class: "absent" }, `Flags: ${known.flags.join(", ").replaceAll("_", " ")}`),
    magnesium?.text && h("p", {}, `Serum magnesium ${magnesium.text} (${String(magnesium.state).replaceAll("_", " ")}) `, magnesium.evidence?.resource && resourceButton(magnesium.evidence.resource, open)));
}

function found(fact, words, open) {
  const evidence = fact.evidence ?? [];
  return h("li", {}, h("strong", {}, factName(fact, words)), fact.why && `: ${fact.why}`,
    h("ul", {}, evidence.map((item) => h("li", {},
      [item.display, item.value && `${item.value} ${item.unit === "a" ? "years" : item.unit ?? ""}`, item.coding?.code, item.date?.slice(0, 10), item.note,
        item.matched === "text" && "by its name, not by a code"].filter(Boolean).join(", "), " ", item.resource && resourceButton(item.resource, open)))));
}

function resourceButton(reference, open) {
  return h("button", { type: "button", class: "reference", onclick: () => open(reference) }, reference);
}

function factName({ id, label }, words) {
  const plain = id.replaceAll("_", " ");
  const name = label ? `${label} (${id})` : words[`fact.${id}`] ?? plain;
  return name.slice(0, 1).toUpperCase() + name.slice(1);
}

function ruleTable(rules, words) {
  return h("table", { class: "rules" },
    h("thead", {}, h("tr", {}, ["Rule", "Outcome", "Why"].map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, rules.map((rule) => h("tr", { class: rule.outcome.replace(" ", "-") },
      h("td", {}, words[`card.${rule.rule}`] ? h("a", { href: `/evidence#${rule.rule}`, target: "_blank", rel: "noopener" }, rule.rule) : rule.rule.replaceAll("_", " ")),
      h("td", {}, OUTCOMES[rule.outcome] ?? rule.outcome),
      h("td", {}, rule.why ?? "")))));
}
