// The sandbox page: holds the state, asks the service whenever it changes, and shows the answer.

import { get, post, told } from "./api.js";
import { curl, hookRequest, orderContext, uuid } from "./call.js";
import { cardView, decisionOf } from "./cards.js";
import { changes, changeView } from "./change.js";
import { ofType, referenceOf, resourcesIn, results } from "./chart.js";
import { checksView } from "./checks.js";
import { h, fill } from "./dom.js";
import { draftOrder, edited } from "./edits.js";
import { faultsView, lateKeys, setFault, waitForLate, withFaults } from "./faults.js";
import { inWords, levelOf, LEVELS, mark } from "./outcome.js";
import { overview } from "./overview.js";
import { copyButton, json, tabs, why } from "./panels.js";
import { FIRST, fresh, fromFragment, noEdits, toFragment, unedited } from "./state.js";
import { STORIES } from "./stories.js";
import { stripView } from "./strip.js";
import { askedView, draftsView, headView, listsView, matching, orderForm, orderName, peopleList, plotsView, triesView } from "./views.js";

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
let ownState = null; // the last state with own data, for Back and Forward
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
  const whole = () => hookRequest({ hook: hook(), resources: chart(), orders, selections }, signal);
  if (!own?.request) return whole();
  const context = { ...own.request.context, ...orderContext(hook(), orders, selections) };
  const same = own.request.hook === state.hook && own.orders === state.orders && !Object.keys(state.changes).length;
  const request = { ...own.request, hook: state.hook, context: same ? own.request.context : context };
  if (unedited(state.edits)) return request;
  // Only what was sent is sent again: a key that was missing stays missing.
  const all = (await whole()).prefetch;
  const kept = Object.entries(own.request.prefetch ?? {}).map(([key, value]) => [key, isData(value) ? all[key] ?? value : value]);
  return { ...request, prefetch: Object.fromEntries(kept) };
}

const isData = (value) => value !== null && value?.resourceType !== "OperationOutcome";

/** Show a state. `history` is "push" for a step that Back undoes, and "replace" for all others. */
async function enter(next, { focus = false, step = "push" } = {}) {
  const mine = ++turn;
  const firstTime = !state;
  state = next;
  try {
    const resources = next.own ? next.own.resources : resourcesIn(await get(`/sandbox/patients/${next.patient}`));
    const draft = await draftOf(next);
    if (mine !== turn) return;
    bundle = resources;
    given = draft;
  } catch (error) {
    return fail(error);
  }
  if (next.own) ownState = next;
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
  if (own || !draft) return { orders: [], selections: [] };
  const picking = setup.hooks.find(({ selections }) => selections);
  const { context } = await get(`/sandbox/requests/${patient}/${picking.service}?draft=${encodeURIComponent(draft)}`);
  return { orders: resourcesIn(context[picking.orders]), selections: context[picking.selections] };
}

function remember(step = "replace") {
  const address = toFragment(state) || location.pathname;
  if (step === "push" && address !== (location.hash || location.pathname)) history.pushState(null, "", address);
  else history.replaceState(null, "", address);
}

/** Back, Forward, or a link: the state of the address. */
function revisit() {
  const next = fromFragment(location.hash, setup.patients, setup.hooks) ?? (location.hash ? null : ownState);
  if (next) enter(next, { step: "replace" });
}

/** After an edit: show it at once, ask a moment later. */
function touched() {
  remember();
  clearTimeout(timer);
  timer = setTimeout(call, PATIENCE);
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
    if (lateKeys(state.faults).length) {
      showWaiting();
      await waitForLate(signal);
    }
    if (signal.aborted) return;
    const request = withFaults(await body(signal), state.faults);
    if (signal.aborted) return;
    const [response, explained] = await Promise.all([
      post(`/cds-services/${id}`, request, signal),
      post(`/explain/${id}`, request, signal),
    ]);
    if (signal.aborted) return;
    const cards = response.ok ? response.body?.cards ?? [] : null;
    accountFor({ id, asked, state, hook: hook(), request, response, explained, cards });
    showAnswer();
    await askForStrip(signal);
  } catch (error) {
    if (!signal.aborted) fail(error);
  }
}

/** Data are late: the earlier card is no answer to this call, so it is taken away. */
function showWaiting() {
  const text = `The EHR waits for late data (${lateKeys(state.faults).join(", ")}). It has not made the call yet.`;
  fill(places.cards, h("div", { class: "silence" }, h("p", {}, h("strong", {}, "No answer yet. "), text)));
  places.status.textContent = text;
  showBar("failed", "the EHR waits for late data");
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
  const key = JSON.stringify([answer.id, { ...request, hookInstance: "" }]);
  if (key !== strip.key) {
    // The strip needs some forty decisions, so it waits until a slider rests.
    await new Promise((resolve) => { setTimeout(resolve, STRIP_PATIENCE); });
    if (signal.aborted) return undefined;
    const response = await post(`/sandbox/egfr/${answer.id}`, request, signal);
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
  const people = matching(setup.patients, finder.value);
  fill(places.people, peopleList(people, state.own ? null : state.patient, (one) => levelOf(worst(one)), (id) => {
    if (!WIDE.matches) places["people-box"].open = false;
    enter(opening(id), { focus: true });
  }));
  const current = places.people.querySelector("[aria-current]");
  // Only the list is scrolled, not the page.
  if (current) places.people.scrollTop = Math.max(0, current.offsetTop - places.people.offsetTop - places.people.clientHeight / 2);
  places["people-count"].textContent = `${people.length} of ${setup.patients.length} synthetic patients`;
}

const WIDE = matchMedia("(min-width: 75rem)");

/** The expected cards of a moment that a patient was made for. */
const shownCards = (show) => show.expect.map((card) => ({ indicator: setup.indicators[card] }));

/** The moment with the most severe cards. The tour's patient opens with the chart. */
function worstShow(one) {
  return one.id === FIRST ? one.shows[0] : one.shows.toSorted((a, b) => rankOf(shownCards(a)) - rankOf(shownCards(b)))[0];
}

const rankOf = (cards) => Object.keys(LEVELS).indexOf(levelOf(cards));
const worst = (one) => shownCards(worstShow(one));

function opening(id) {
  const show = worstShow(setup.patients.find((one) => one.id === id));
  const chosen = setup.hooks.find(({ service: one }) => one === show.service);
  return { ...fresh(id, chosen.name), draft: show.draft };
}

function showChart() {
  const resources = chart();
  const change = (edits) => {
    state = { ...state, edits: { ...state.edits, ...edits } };
    showChart();
    touched();
  };
  const plots = h("div", { class: "plots" }, plotsView({ resources, setup, edits: state.edits }));
  const head = h("div", {}, chartHead(resources));
  fill(places.controls, head,
    triesView({
      setup, person: ofType(bundle, "Patient")[0], edits: state.edits, resources: bundle,
      setNumber(name, value) {
        state = { ...state, edits: { ...state.edits, [name]: value } };
        fill(plots, plotsView({ resources: chart(), setup, edits: state.edits }));
        fill(head, chartHead(chart()));
        touched();
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
  fill(places.chart, plots,
    listsView({
      resources,
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
    story: state.own ? "Your own data. They stay in this browser and in the calls it makes." : person()?.story,
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
  fill(places.change, base && changeView({ base, answer, text: made.map(({ text }) => text).join("; "), words: setup.words }));
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
  const shown = person()?.shows.find((show) => show.service === answer.id && show.draft === (hook().orders ? state.draft : null));
  const reason = !state.own && unedited(state.edits) && !shown?.expect.length ? shown?.why : "";
  return h("div", { class: "silence" },
    h("p", {}, mark("none"), h("strong", {}, " The clinician sees nothing. "), "Most calls return no card. ", reason && `Here: ${reason}. `, "“Why” below lists every rule that was considered."),
    hook().orders && answer.explained.ok && checksView(answer.explained.body, setup.words, setup.orderChecks));
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
    h("p", { class: "absent" }, `POST /cds-services/${answer.id}`),
    json("Request", answer.request, ["Copy as curl", () => curl(answer.id, answer.request, plainState())]),
  ],
  response: () => [
    h("p", { class: "absent" }, `Status ${answer.response.status}, ${answer.response.milliseconds} ms in this browser`),
    json("Response", answer.response.body),
  ],
  discovery: () => [h("p", { class: "absent" }, "GET /cds-services, the service that was asked"), json("Discovery", service())],
};

/** The state, where the server can make the same call by itself. */
function plainState() {
  const same = !state.own && !Object.keys(state.faults).length && unedited(state.edits) && !state.orders.length && !Object.keys(state.changes).length;
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
      useOwn(text.value);
      places.dialog.close();
    } catch (error) {
      trouble.textContent = error.message;
    }
  };
  openDialog("Your own data",
    h("p", {}, "A FHIR R4 Bundle with one Patient, or the body of a hook call. It stays in this browser and in the calls to this service, which keeps nothing of the chart."),
    h("label", { for: "own-file" }, "File"), file,
    h("label", { for: "own-text" }, "or text"), text, trouble,
    h("p", { class: "row" }, h("button", { type: "button", class: "main", onclick: use }, "Use it")));
}

async function openOverview() {
  const table = h("div", { class: "wait" }, "The service is asked about every patient …");
  openDialog("Every patient at every hook", table);
  const choose = (row) => {
    places.dialog.close();
    enter({ ...fresh(row.patient, row.hook), draft: row.draft }, { focus: true });
  };
  try {
    const rows = await get("/sandbox/outcomes");
    const people = setup.patients.toSorted((a, b) => (b.id === FIRST) - (a.id === FIRST) || rankOf(worst(a)) - rankOf(worst(b)));
    table.replaceWith(overview({ rows, people, hooks: setup.hooks, choose }));
  } catch (error) {
    fill(table, h("p", { class: "problem", role: "alert" }, String(error?.message ?? error)));
  }
}

function useOwn(text) {
  const own = readOwn(text);
  enter({ ...fresh(null, own.hook), own, orders: own.orders, edits: noEdits() }, { focus: true });
}

/** A file can be dropped anywhere on the page. */
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
    const text = await event.dataTransfer.files[0].text();
    try {
      useOwn(text);
    } catch (error) {
      openDialog("This file cannot be used", h("p", { class: "trouble", role: "alert" }, error.message));
    }
  });
}

/** A pasted Bundle or hook request, as own data; throws an Error that says what is wrong. */
function readOwn(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error("This is not valid JSON.");
  }
  if (value?.resourceType === "Bundle") return ownBundle(value);
  const asked = setup.hooks.find(({ name }) => name === value?.hook);
  if (asked) return ownRequest(value, asked);
  throw new Error(`This is neither a Bundle nor a request of one of the hooks ${setup.hooks.map(({ name }) => name).join(", ")}.`);
}

function ownBundle(value) {
  const entries = (Array.isArray(value.entry) ? value.entry : []).filter((entry) => entry?.resource?.resourceType)
    .map(({ fullUrl, resource }) => ({ fullUrl, resource: resource.id ? resource : { ...resource, id: uuid() } }));
  const names = new Map(entries.filter(({ fullUrl }) => fullUrl).map(({ fullUrl, resource }) => [fullUrl, referenceOf(resource)]));
  const resources = entries.map(({ resource }) => relinked(resource, names));
  const patients = ofType(resources, "Patient");
  if (patients.length !== 1) throw new Error(`The Bundle holds ${patients.length} patients; one is needed.`);
  return { hook: setup.hooks[0].name, patientId: patients[0].id, resources, orders: [], request: null };
}

/** A copy in which references by full URL ("urn:uuid:…") are references by type and id. */
function relinked(value, names) {
  if (Array.isArray(value)) return value.map((item) => relinked(item, names));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) =>
    [name, name === "reference" && names.has(inner) ? names.get(inner) : relinked(inner, names)]));
}

function ownRequest(request, asked) {
  const parts = Object.values(request.prefetch ?? {}).filter(isData);
  const resources = parts.flatMap((part) => (part.resourceType === "Bundle" ? resourcesIn(part) : [part]));
  const orders = resourcesIn(request.context?.[asked.orders]);
  return { hook: request.hook, patientId: String(request.context?.patientId ?? "").replace(/^Patient\//, ""), resources, orders, request };
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
  return enter(fromFragment(location.hash, setup.patients, setup.hooks) ?? fresh(FIRST, setup.hooks[0].name));
}

start();
