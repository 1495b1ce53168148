// The sandbox page: holds the state, asks the service whenever it changes, and shows the answer.

import { get, post, told } from "./api.js";
import { ask, curl, hookRequest, orderContext, valued } from "./call.js";
import { cardView, decisionOf } from "./cards.js";
import { changes, changeView } from "./change.js";
import { ofType, referenceOf, resourcesIn, results } from "./chart.js";
import { checksView } from "./checks.js";
import { h, fill } from "./dom.js";
import { draftOrder, edited } from "./edits.js";
import { faultsView, lateKeys, setFault, withFaults } from "./faults.js";
import { inWords, levelOf, LEVELS, mark } from "./outcome.js";
import { overview } from "./overview.js";
import { isData, readOwn } from "./own.js";
import { copyButton, json, tabs, why, withheldText } from "./panels.js";
import { DEFAULTS, FIRST, fresh, fromFragment, noEdits, toFragment, unedited } from "./state.js";
import { STORIES } from "./stories.js";
import { stripView } from "./strip.js";
import { timelineView } from "./timeline.js";
import { askedView, draftsView, headView, matching, orderForm, orderName, peopleList, plotsView, triesView } from "./views.js";

const PATIENCE = 90;
const STRIP_PATIENCE = 250;
const places = Object.fromEntries(["people", "people-count", "people-box", "controls", "drafts", "chart", "asked", "status", "cards", "change", "strip", "bar", "panels", "dialog"]
  .map((name) => [name, document.querySelector(`[data-${name}]`)]));
const finder = document.getElementById("find-patient");

let setup;
let state;
let bundle = []; // the chart as it came
let given = { orders: [], selections: [] }; // the chosen given draft
let answer = null; // the last call: state, request, response, explanation
let base = null; // the answer before the last change
let strip = { key: "", runs: null }; // the outcome for every eGFR, and the call it belongs to
let owns = []; // the patients of the user's own
const outcomes = new Map(); // those of the synthetic patients, by the values in force
let tab = "why";
let turn = 0;
let timer = 0;
let calling = null;

// ---------------------------------------------------------------- the session

const hook = () => setup.hooks.find(({ name }) => name === state.hook);
const service = () => setup.discovery.services.find(({ id }) => id === hook().service);
const person = () => setup.patients.find(({ id }) => id === state.patient);
const patientId = () => state.own?.patientId ?? ofType(bundle, "Patient")[0]?.id ?? "";
const chart = () => edited(bundle, state.edits, { today: setup.today, labs: setup.labs, patientId: patientId() });

/** The orders of the session: given and own ones, with what accepted suggestions made of them. */
function session() {
  const written = [...given.orders, ...state.orders];
  const orders = written.filter((order) => state.changes[referenceOf(order)] !== null)
    .map((order) => state.changes[referenceOf(order)] ?? order);
  const here = new Set(orders.map(referenceOf));
  const picked = state.own?.request?.context?.[hook().selections] ?? given.selections;
  const selections = [...picked, ...state.orders.filter(({ id }) => String(id).startsWith("own-")).map(referenceOf)];
  return { orders, selections: selections.filter((reference) => here.has(reference)) };
}

async function body(signal) {
  const { orders, selections } = session();
  const { own } = state;
  const whole = () => hookRequest({ hook: hook(), resources: chart(), orders, selections, values: state.values }, signal);
  if (!own?.request) return whole();
  const same = own.request.hook === state.hook && own.orders === state.orders && !Object.keys(state.changes).length;
  const request = same ? own.request : atHook(own.request, hook(), orders, selections);
  if (unedited(state.edits)) return request;
  // Only what was sent is sent again: a key that was missing stays missing.
  const all = (await whole()).prefetch;
  const kept = Object.entries(own.request.prefetch ?? {}).map(([key, value]) => [key, isData(value) ? all[key] ?? value : value]);
  return { ...request, prefetch: Object.fromEntries(kept) };
}

/** A request of the user's own, as for another hook or with other orders. */
function atHook(request, at, orders, selections) {
  const encounter = at.encounter ? { encounterId: request.context?.encounterId ?? "unknown" } : {};
  return { ...request, hook: at.name, context: { ...request.context, ...encounter, ...orderContext(at, orders, selections) } };
}

/** Show a state. `history` is "push" for a step that Back undoes, and "replace" for all others. */
async function enter(next, { focus = false, step = "push" } = {}) {
  const mine = ++turn;
  const firstTime = !state;
  state = next;
  try {
    setup = await get(valued("/sandbox/setup", next.values));
    const resources = next.own ? next.own.resources : resourcesIn(await get(`/sandbox/patients/${next.patient}`));
    const draft = await draftOf(next);
    if (mine !== turn) return;
    bundle = resources;
    given = draft;
  } catch (error) {
    return fail(error);
  }
  remember(firstTime ? "replace" : step);
  showStories();
  showPeople();
  try {
    showAsked();
    showChart();
  } catch {
    // A chart of somebody's own may hold anything. What the service makes of it is still worth seeing.
    fill(places.controls, h("p", { class: "problem", role: "alert" }, "This chart cannot be shown in brief. The call is made with it all the same."));
  }
  if (focus) places.controls.querySelector("h2")?.focus();
  return call();
}

async function draftOf({ patient, draft, own }) {
  if (own) return { orders: [], selections: own.orders.map(referenceOf) };
  if (!draft) return { orders: [], selections: [] };
  const picking = setup.hooks.find(({ selections }) => selections);
  const { context } = await get(`/sandbox/requests/${patient}/${picking.service}?draft=${encodeURIComponent(draft)}`);
  return { orders: resourcesIn(context[picking.orders]), selections: context[picking.selections] };
}

function remember(step = "replace") {
  const address = toFragment(state) || location.pathname;
  // Of a patient of the user's own, the browser keeps a number alone.
  const entry = state.own ? { own: state.own.key } : null;
  if (state.own) state.own.last = state;
  const isNew = address !== (location.hash || location.pathname) || history.state?.own !== entry?.own;
  if (step === "push" && isNew) history.pushState(entry, "", address);
  else history.replaceState(entry, "", address);
}

/** Back, Forward, or a link: the state of the address. */
function revisit() {
  const own = owns.find(({ key }) => key === history.state?.own);
  const next = fromFragment(location.hash, setup) ?? own?.last;
  if (next) enter(next, { step: "replace" });
}

/** After an edit: show it at once, ask a moment later. What takes longer to show comes then too. */
function touched(later = () => {}) {
  remember();
  clearTimeout(timer);
  timer = setTimeout(() => {
    later();
    call();
  }, PATIENCE);
}

// ------------------------------------------------------------------- the call

async function call() {
  clearTimeout(timer);
  calling?.abort();
  calling = new AbortController();
  const { signal } = calling;
  const { id } = service();
  const asked = toFragment(state);
  places.cards.setAttribute("aria-busy", "true");
  try {
    const late = lateKeys(state.faults, service());
    if (late.length) showWaiting(late);
    const request = withFaults(await body(signal), state.faults);
    if (signal.aborted) return;
    const { path, response, explained } = await ask({ id, request, values: state.values, late }, signal);
    if (signal.aborted) return;
    const cards = response.ok ? response.body?.cards ?? [] : null;
    accountFor({ id, path, late, asked, state, hook: hook(), request, response, explained, cards });
    showAnswer();
    askAboutOthers();
    await askForStrip(signal);
  } catch (error) {
    if (!signal.aborted) fail(error);
  }
}

/** Data are late: the earlier card is no answer to this call, so it is taken away. */
function showWaiting(late) {
  const names = late.map((key) => setup.words[`gap.${key}`] ?? key).join(", ");
  const text = `The service asks the FHIR server for ${names} and waits, ${setup.fetchSeconds} seconds at most.`;
  fill(places.cards, h("div", { class: "silence waiting" }, h("p", {}, h("strong", {}, "No answer yet. "), text), h("progress", { "aria-label": "Waiting for the FHIR server" })));
  places.status.textContent = text;
  showBar("failed", "the service waits for late data");
  delete document.body.dataset.answered;
  delete document.body.dataset.answeredFor;
}

/** Keep the answer before the last change. Several steps of one slider are one change. */
function accountFor(next) {
  const same = answer && answer.state.patient === next.state.patient && answer.state.own === next.state.own;
  if (!same) base = null;
  else if (base) {
    const controls = (from) => new Set(changes(from.state, next.state, setup.hooks).map(({ control }) => control));
    const one = controls(base).size <= 1 && controls(answer).size <= 1;
    if (!one) base = answer;
  } else base = answer;
  if (base && !changes(base.state, next.state, setup.hooks).length) base = null;
  answer = next;
}

async function askForStrip(signal) {
  const labs = answer.request.prefetch?.kidneyLabs;
  if (!answer.response.ok || state.faults.kidneyLabs || (labs && labs.resourceType !== "Bundle")) return fill(places.strip);
  const request = withoutEdited(answer.request);
  const key = JSON.stringify([answer.id, state.values, { ...request, hookInstance: "" }]);
  if (key !== strip.key) {
    // The strip needs some forty decisions, so it waits until a slider rests.
    await new Promise((resolve) => { setTimeout(resolve, STRIP_PATIENCE); });
    if (signal.aborted) return undefined;
    const response = await post(valued(`/sandbox/egfr/${answer.id}`, state.values), request, signal);
    if (signal.aborted) return undefined;
    strip = { key, runs: response.ok ? response.body : null };
  }
  return showStrip();
}

/** The call without the eGFR of the slider: the strip sets its own. */
function withoutEdited(request) {
  const { kidneyLabs } = request.prefetch ?? {};
  if (!kidneyLabs?.entry) return request;
  const entry = kidneyLabs.entry.filter(({ resource }) => resource?.id !== "edited-egfr");
  return { ...request, prefetch: { ...request.prefetch, kidneyLabs: { resourceType: "Bundle", type: "searchset", entry } } };
}

function fail(error) {
  answer = null;
  fill(places.change);
  fill(places.strip);
  showBar("failed", "The service did not answer");
  places.cards.removeAttribute("aria-busy");
  fill(places.cards, h("div", { class: "problem", role: "alert" },
    h("strong", {}, "The service did not answer. "), String(error?.message ?? error), " Nothing follows from that: it is no answer about this patient."));
  fill(places.panels);
}

async function feedback(card, item) {
  const path = `/cds-services/${answer.id}/feedback`;
  const outcomeTimestamp = new Date().toISOString();
  try {
    const response = await post(path, { feedback: [{ card: card.uuid, outcomeTimestamp, ...item }] });
    if (response.ok) return "Feedback was sent and checked. It is not stored: the feedback report leaves out the calls of this page.";
    if (response.status === 404) return "This server takes no feedback yet, so none was stored.";
    return `Feedback was not stored: ${told(response)}`;
  } catch {
    return "Feedback could not be sent.";
  }
}

async function accept(card, suggestion) {
  const text = await feedback(card, { outcome: "accepted", acceptedSuggestions: [{ id: suggestion.uuid }] });
  const orders = [...state.orders];
  const changes = { ...state.changes };
  for (const { type, resource, resourceId } of suggestion.actions) {
    if (type === "create") addOnce(orders, resource);
    else if (type === "update") changes[referenceOf(resource)] = resource;
    else changes[resourceId] = null;
  }
  state = { ...state, orders, changes };
  remember("push");
  showAsked();
  const signing = setup.hooks.find(({ orders: taken, selections }) => taken && !selections);
  const next = h("button", { type: "button", onclick: () => enter({ ...state, hook: signing.name }) },
    `Go on to signing ${session().orders.length === 1 ? "this order" : "these orders"}`);
  const again = h("button", { type: "button", onclick: () => call() }, "Ask again with the changed orders");
  return { text: `Accepted. ${text}`, next: hook().orders ? again : next };
}

/** Add an order that was accepted, unless it is there already. */
function addOnce(orders, resource) {
  const content = ({ id, authoredOn, ...rest }) => JSON.stringify(rest);
  if (orders.some((order) => content(order) === content(resource))) return;
  orders.push({ ...resource, id: `accepted-${orders.length + 1}` });
}

async function override(card, reason, comment) {
  const overrideReason = { reason: { code: reason.code, system: reason.system } };
  if (comment) overrideReason.userComment = comment;
  return { text: `Overridden: ${reason.display}. ${await feedback(card, { outcome: "overridden", overrideReason })}` };
}

// ----------------------------------------------------------------- what is seen

function showPeople() {
  const mine = owns.map(personOf);
  const people = matching([...mine, ...setup.patients], finder.value);
  fill(places.people, peopleList({
    people, chosen: state.own?.key ?? state.patient, forget,
    levelFor: (one) => (one.isOwn ? ownLevel(one.own) : isAsked() ? levelOf(worst(one)) : null),
    choose(one) {
      if (!WIDE.matches) places["people-box"].open = false;
      enter(one.isOwn ? openingOwn(one.own) : opening(one.id), { focus: true });
    },
  }));
  const current = places.people.querySelector("[aria-current]");
  // Only the list is scrolled, not the page.
  if (current) places.people.scrollTop = Math.max(0, current.offsetTop - places.people.offsetTop - places.people.clientHeight / 2);
  const synthetic = people.filter(({ isOwn }) => !isOwn).length;
  places["people-count"].textContent = [`${synthetic} of ${setup.patients.length} synthetic patients`, mine.length && `${people.length - synthetic} of ${mine.length} of your own`].filter(Boolean).join(", ");
}

const WIDE = matchMedia("(min-width: 75rem)");

/** Whether the outcomes of the synthetic patients are known. Those by the defaults come with them. */
const isAsked = () => !setup.site || outcomes.has(state.values);

/** The cards of a moment that a patient was made for. */
function shownCards(one, show) {
  const at = setup.hooks.find(({ service: id }) => id === show.service);
  const row = outcomes.get(state.values)?.find(({ patient, hook: name, draft }) => patient === one.id && name === at.name && draft === show.draft);
  return row ? row.cards : show.expect.map((card) => ({ indicator: setup.indicators[card] }));
}

/** The moment with the most severe cards. The tour's patient opens with the chart. */
function worstShow(one) {
  return one.id === FIRST ? one.shows[0] : one.shows.toSorted((a, b) => rankOf(shownCards(one, a)) - rankOf(shownCards(one, b)))[0];
}

const rankOf = (cards) => Object.keys(LEVELS).indexOf(levelOf(cards));
const worst = (one) => shownCards(one, worstShow(one));

function opening(id) {
  const show = worstShow(setup.patients.find((one) => one.id === id));
  const chosen = setup.hooks.find(({ service: one }) => one === show.service);
  return { ...fresh(id, chosen.name), draft: show.draft, values: state.values };
}

// -------------------------------------------------------- patients of the user's own

const personOf = (own) => ({ id: own.key, name: own.name, story: own.story, drafts: {}, isOwn: true, own });

function openingOwn(own, at = own.hook) {
  return { ...fresh(null, at), own, orders: own.orders, values: state.values };
}

/** The most severe level of a patient of the user's own, or null while it is not known. */
function ownLevel({ rows }) {
  const known = rows[state.values];
  if (!known) return null;
  const levels = new Set(known.map(({ cards }) => levelOf(cards)));
  // "No answer" is no reassurance: it counts before "no card".
  return ["critical", "warning", "info", "failed"].find((level) => levels.has(level)) ?? "none";
}

function forget(person) {
  owns = owns.filter(({ key }) => key !== person.id);
  if (state.own === person.own) enter(opening(FIRST), { focus: true });
  else showPeople();
  finder.focus();
}

/** The outcomes of a patient of the user's own at every hook. A hook for orders needs an order. */
async function askAboutOwn(own, values) {
  if (own.rows[values]) return own.rows[values];
  const rows = await Promise.all(setup.hooks.filter((at) => !at.orders || own.orders.length || own.request?.hook === at.name)
    .map((at) => ownRow(own, at, values)));
  own.rows[values] = rows;
  return rows;
}

async function ownRow(own, at, values) {
  const row = { patient: own.key, hook: at.name, draft: null };
  try {
    const selections = own.orders.map(referenceOf);
    const request = own.request ? (own.request.hook === at.name ? own.request : atHook(own.request, at, own.orders, selections))
      : await hookRequest({ hook: at, resources: own.resources, orders: own.orders, selections, values });
    const response = await post(valued(`/sandbox/outcomes/${at.service}`, values), request);
    return response.ok ? { ...row, cards: response.body.cards } : { ...row, cards: null, why: told(response) };
  } catch (error) {
    return { ...row, cards: null, why: String(error?.message ?? error) };
  }
}

/** What the list shows and this call did not tell: it comes after the answer. */
async function askAboutOthers() {
  const { values } = state;
  const missing = owns.filter(({ rows }) => !rows[values]);
  if (isAsked() && !missing.length) return;
  await Promise.all([...missing.map((own) => askAboutOwn(own, values)), isAsked() ? null : allOutcomes(values).catch(() => null)]);
  showPeople();
}

async function allOutcomes(values) {
  if (!outcomes.has(values)) outcomes.set(values, await get(valued("/sandbox/outcomes", values)));
  return outcomes.get(values);
}

function showChart() {
  const resources = chart();
  const plots = h("div", { class: "plots" }, plotsView({ resources, setup, edits: state.edits }));
  const head = h("div", {}, chartHead(resources));
  fill(places.controls, head,
    triesView({
      setup, person: ofType(bundle, "Patient")[0], edits: state.edits, resources: bundle,
      setNumber(name, value) {
        state = { ...state, edits: { ...state.edits, [name]: value } };
        fill(plots, plotsView({ resources: chart(), setup, edits: state.edits }));
        fill(head, chartHead(chart()));
        touched(showTimeline);
      },
    }),
    faultsView({
      keys: Object.keys(service().prefetch), faults: state.faults, words: setup.words,
      set(key, fault) {
        state = { ...state, faults: setFault(state.faults, key, fault) };
        touched();
      },
    }),
    h("p", { class: "row share" }, state.own
      ? h("span", { class: "absent" }, "There is no link for your own data.")
      : copyButton("Copy a link to this state", () => location.href)));
  fill(places.chart, plots, h("div", { "data-timeline": true }));
  showTimeline();
}

function showTimeline() {
  const change = (edits) => {
    state = { ...state, edits: { ...state.edits, ...edits } };
    showChart();
    touched();
  };
  fill(places.chart.querySelector("[data-timeline]"), timelineView({
    resources: chart(), setup,
    open: openResource,
    remove(resource) {
      const at = state.edits.added.findIndex((_, index) => `added-${index}` === resource.id);
      if (at >= 0) change({ added: state.edits.added.filter((_, index) => index !== at) });
      else change({ removed: [...state.edits.removed, referenceOf(resource)] });
      places.controls.querySelector("h2").focus();
    },
    addProblem: (item) => change({ added: [...state.edits.added, brief("problem", item)] }),
    addMedicine: (item) => change({ added: [...state.edits.added, brief("drug", item)] }),
  }));
}

const brief = (kind, { system, code, display }) => ({ kind, system, code, display });

function chartHead(resources) {
  return headView({
    person: ofType(resources, "Patient")[0],
    story: state.own ? "Your own patient, until you close or reload this page. The data stay in this browser and in the calls it makes." : person()?.story,
    today: setup.today,
    changed: !unedited(state.edits) || Object.keys(state.faults).length > 0,
    reset: () => enter({ ...state, edits: noEdits(), faults: {} }),
  });
}

function showAsked() {
  const { orders, selections } = session();
  const own = Boolean(state.own);
  const drafts = {
    hook: hook(),
    drafts: own ? {} : person().drafts,
    draft: state.draft,
    chooseDraft: (draft) => enter({ ...state, draft, changes: {} }).then(() => focusAgain(document.getElementById("draft"))),
    orders, selections, resources: [...chart(), ...orders],
    removeOrder(order) {
      state = { ...state, changes: { ...state.changes, [referenceOf(order)]: null } };
      showAsked();
      touched();
    },
    orderForm: orderForm(chart(), (item) => {
      const id = `own-${state.orders.length + 1}`;
      state = { ...state, orders: [...state.orders, draftOrder({ id, ...item }, patientId(), setup.today)] };
      showAsked();
      touched();
    }),
  };
  fill(places.drafts, hook().orders && draftsView(drafts));
  places.drafts.hidden = !hook().orders;
  fill(places.asked, askedView({
    site: setup.site,
    values: state.values,
    chooseValues: (values) => enter({ ...state, values })
      .then(() => focusAgain(places.asked.querySelector("input[name=values]:checked"))),
    hooks: setup.hooks,
    hook: hook(),
    chooseHook: (chosen) => enter({ ...state, hook: chosen.name, draft: state.draft ?? firstDraft(chosen) })
      .then(() => focusAgain(places.asked.querySelector(`input[value="${chosen.name}"]`))),
  }));
}

/** Give the focus back to a control that was made anew, unless the user has moved on. */
function focusAgain(control) {
  if (document.activeElement === document.body) control?.focus();
}

/** The draft that the synthetic patient shows at this hook. */
function firstDraft(chosen) {
  if (state.own || !chosen.orders) return null;
  const shown = person().shows.find((show) => show.service === chosen.service && show.draft);
  return shown?.draft ?? Object.keys(person().drafts)[0] ?? null;
}

function showAnswer() {
  const { response } = answer;
  const cards = answer.cards ?? [];
  places.cards.removeAttribute("aria-busy");
  const { orders } = session();
  const handlers = { accept, override, orderWith: (reference) => orders.find((order) => referenceOf(order) === reference) };
  fill(places.cards, h("h2", { class: response.ok ? "hidden-but-read" : "" }, response.ok ? heading(cards) : "No answer"),
    response.ok ? cards.map((card) => cardView(card, handlers)) : problem(response),
    response.ok && !cards.length && silence());
  showBar(levelOf(answer.cards), response.ok ? inWords(answer.cards) : "The service has no answer");
  const made = base ? changes(base.state, answer.state, setup.hooks) : [];
  fill(places.change, base && changeView({
    base, answer, text: made.map(({ text }) => text).join("; "), words: setup.words,
    whole: made.some(({ control }) => control === "values"),
  }));
  showStories();
  showStrip();
  places.status.textContent = response.ok
    ? [heading(cards), ...cards.map(({ indicator, summary }) => `${indicator}: ${summary}`)].join(". ") : "No answer";
  document.body.dataset.answered = cards.map((card) => decisionOf(card)?.card).join(" ");
  document.body.dataset.answeredFor = answer.asked;
  showPanels();
}

/** On a narrow screen: the outcome, always in view. */
function showBar(level, text) {
  fill(places.bar, mark(level), h("span", {}, h("strong", {}, LEVELS[level].word), level === "none" ? "" : `: ${text}`));
  places.bar.className = `bar ${level}`;
}

function showStrip() {
  if (!strip.runs || !answer.response.ok || state.faults.kidneyLabs) return fill(places.strip);
  const last = results(chart(), setup.labs.egfr).at(-1)?.value ?? null;
  return fill(places.strip, stripView({
    runs: strip.runs,
    value: state.edits.egfr ?? last,
    choose: (value) => enter({ ...state, edits: { ...state.edits, egfr: value } }),
  }));
}

function showStories() {
  for (const button of document.querySelectorAll("[data-story]")) {
    button.setAttribute("aria-pressed", STORIES[button.dataset.story].on(state));
  }
}

async function playStory(name) {
  const story = STORIES[name];
  try {
    const item = await story.load?.();
    await enter(story.set(state, !story.on(state), item));
  } catch (error) {
    fail(error);
  }
}

function heading(cards) {
  return cards.length ? `${cards.length === 1 ? "One card" : `${cards.length} cards`}` : "No card";
}

function silence() {
  const withheld = answer.explained.ok ? answer.explained.body.withheld ?? [] : [];
  const shown = person()?.shows.find((show) => show.service === answer.id && show.draft === (hook().orders ? state.draft : null));
  const reason = !state.own && !withheld.length && unedited(state.edits) && !shown?.expect.length ? shown?.why : "";
  return h("div", { class: "silence" },
    h("p", {}, mark("none"), h("strong", {}, " The clinician sees nothing. "), !withheld.length && "Most calls return no card. ", reason && `Here: ${reason}. `,
      withheld.map((card) => `${withheldText(card)}. `), "“Why” below lists every rule that was considered."),
    hook().orders && !withheld.length && answer.explained.ok && checksView(answer.explained.body, setup.words, setup.orderChecks));
}

function problem(response) {
  return h("div", { class: "problem", role: "alert" }, h("strong", {}, `Status ${response.status}. `), told(response));
}

function showPanels() {
  const hadFocus = places.panels.querySelector("[role=tab]:focus");
  const scrolled = places.panels.querySelector("[role=tabpanel]")?.scrollTop ?? 0;
  fill(places.panels, tabs(tab, (name, panel) => {
    tab = name;
    fill(panel, PANELS[name]());
  }));
  places.panels.querySelector("[role=tabpanel]").scrollTop = scrolled;
  if (hadFocus) places.panels.querySelector(`#tab-${tab}`).focus();
}

const PANELS = {
  why: () => (answer.explained.ok ? why(answer.explained.body, hook(), setup.words, openResource) : h("p", {}, told(answer.explained))),
  request: () => [
    h("p", { class: "absent" }, `POST ${answer.path}`),
    answer.late.length > 0 && h("p", { class: "absent" }, `This address makes the call as an EHR does that sends no ${answer.late.join(", ")} and names a FHIR server. The server takes the connection and never answers.`),
    json("Request", answer.request, ["Copy as curl", () => curl(answer.id, answer.path, answer.request, plainState())]),
  ],
  response: () => [
    h("p", { class: "absent" }, `Status ${answer.response.status}, ${answer.response.milliseconds} ms in this browser`),
    json("Response", answer.response.body),
  ],
  discovery: () => [h("p", { class: "absent" }, "GET /cds-services, the service that was asked"), json("Discovery", service())],
};

/** The state, where the server can make the same call by itself. */
function plainState() {
  const same = !state.own && !state.values && !Object.keys(state.faults).length && unedited(state.edits) && !state.orders.length && !Object.keys(state.changes).length;
  return same && (!hook().orders || state.draft) ? state : null;
}

// --------------------------------------------------------------------- dialogs

function openDialog(title, ...content) {
  const { dialog } = places;
  fill(dialog,
    h("header", {}, h("h2", { id: "dialog-title" }, title), h("button", { type: "button", onclick: () => dialog.close(), "aria-label": "Close" }, "×")),
    h("div", { class: "content" }, content));
  dialog.showModal();
}

function openResource(reference) {
  const here = [...chart(), ...session().orders].find((resource) => referenceOf(resource) === reference);
  openDialog(reference, here ? json(reference, here) : h("p", {}, "This resource is not in the chart."));
}

function openOwn() {
  const text = h("textarea", { id: "own-text", rows: "12", spellcheck: "false", placeholder: '{"resourceType": "Bundle", …}  or  {"hook": "…", …}' });
  const file = h("input", { id: "own-file", type: "file", accept: ".json,application/json,application/fhir+json" });
  const trouble = h("p", { class: "trouble", role: "alert" });
  file.addEventListener("change", async () => { text.value = file.files.length ? await file.files[0].text() : ""; });
  const use = () => {
    try {
      const own = useOwn(text.value, file.files.length ? file.files[0].name : "pasted");
      places.dialog.close();
      enter(openingOwn(own), { focus: true });
    } catch (error) {
      trouble.textContent = error.message;
    }
  };
  openDialog("Your own data",
    h("p", {}, "A FHIR R4 Bundle with one Patient, or the body of a hook call. The patient is added to the list until you close or reload this page. The data stay in this browser and in the calls to this service, which stores nothing of them."),
    h("label", { for: "own-file" }, "File"), file,
    h("label", { for: "own-text" }, "or text"), text, trouble,
    h("p", { class: "row" }, h("button", { type: "button", class: "main", onclick: use }, "Use it")));
}

async function openOverview() {
  const table = h("div", { class: "wait" }, h("p", {}, "The service is asked about every patient …"), h("progress", { "aria-label": "Asking about every patient" }));
  openDialog("Every patient at every hook", table);
  const { values } = state;
  const choose = (row) => {
    places.dialog.close();
    const own = owns.find(({ key }) => key === row.patient);
    enter(own ? openingOwn(own, row.hook) : { ...fresh(row.patient, row.hook), draft: row.draft, values }, { focus: true });
  };
  const rowsWith = async (chosen) => [...(await Promise.all(owns.map((own) => askAboutOwn(own, chosen)))).flat(), ...await allOutcomes(chosen)];
  try {
    const [rows, other] = await Promise.all([rowsWith(values), setup.site ? rowsWith(values ? "" : DEFAULTS) : null]);
    const people = setup.patients.toSorted((a, b) => (b.id === FIRST) - (a.id === FIRST) || rankOf(worst(a)) - rankOf(worst(b)));
    table.replaceWith(overview({ rows, other, otherName: values ? "site file" : "built-in defaults", people: [...owns.map(personOf), ...people], hooks: setup.hooks, choose }));
  } catch (error) {
    fill(table, h("p", { class: "problem", role: "alert" }, String(error?.message ?? error)));
  }
}

function useOwn(text, source) {
  const own = readOwn(text, setup.hooks, source);
  owns = [...owns, own];
  return own;
}

/** Add a patient for each file, and show the first one. The files that cannot be used are named. */
async function takeFiles(files) {
  const [found, troubles] = [[], []];
  for (const file of files) {
    try {
      found.push(useOwn(await file.text(), file.name));
    } catch (error) {
      troubles.push(h("p", { class: "trouble" }, `${file.name}: ${error.message}`));
    }
  }
  if (found.length) await enter(openingOwn(found[0]), { focus: true });
  if (troubles.length) openDialog(files.length === 1 ? "This file cannot be used" : "Some files cannot be used", h("div", { role: "alert" }, troubles));
}

/** Files can be dropped anywhere on the page. */
function acceptDrops() {
  const hasFile = (event) => [...event.dataTransfer?.types ?? []].includes("Files");
  addEventListener("dragover", (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dropping"); });
  addEventListener("drop", async (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    document.body.classList.remove("dropping");
    takeFiles([...event.dataTransfer.files]);
  });
}

// ------------------------------------------------------------------------ start

async function start() {
  try {
    setup = await get("/sandbox/setup");
  } catch (error) {
    return fail(error);
  }
  finder.addEventListener("input", showPeople);
  document.querySelector("[data-open-own]").addEventListener("click", openOwn);
  document.querySelector("[data-open-overview]").addEventListener("click", openOverview);
  for (const button of document.querySelectorAll("[data-story]")) button.addEventListener("click", () => playStory(button.dataset.story));
  acceptDrops();
  addEventListener("popstate", revisit);
  places["people-box"].open = WIDE.matches;
  return enter(fromFragment(location.hash, setup) ?? fresh(FIRST, setup.hooks[0].name));
}

start();
