// The sandbox page: holds the state, asks the service whenever it changes, and shows the answer.

import { get, post, told } from "./api.js";
import { curl, hookRequest, orderContext, uuid } from "./call.js";
import { cardView, decisionOf } from "./cards.js";
import { nameOf, ofType, referenceOf, resourcesIn } from "./chart.js";
import { h, fill } from "./dom.js";
import { draftOrder, edited } from "./edits.js";
import { copyButton, json, tabs, why } from "./panels.js";
import { FIRST, fresh, fromFragment, noEdits, toFragment, unedited } from "./state.js";
import { askedView, headView, listsView, matching, orderForm, orderName, peopleList, plotsView, triesView } from "./views.js";

const PATIENCE = 90;
const places = Object.fromEntries(["people", "people-count", "people-box", "chart", "asked", "status", "cards", "panels", "dialog"]
  .map((name) => [name, document.querySelector(`[data-${name}]`)]));
const finder = document.getElementById("find-patient");

let setup;
let state;
let bundle = []; // the chart as it came
let given = { orders: [], selections: [] }; // the chosen given draft
let answer = null; // the last call: request, response, explanation
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

async function enter(next, { focus = false } = {}) {
  const mine = ++turn;
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
  remember();
  showPeople();
  try {
    showChart();
    showAsked();
  } catch {
    // A chart of somebody's own may hold anything. What the service makes of it is still worth seeing.
    fill(places.chart, h("p", { class: "problem", role: "alert" }, "This chart cannot be shown in brief. The call is made with it all the same."));
  }
  if (focus) places.chart.querySelector("h2")?.focus();
  return call();
}

async function draftOf({ patient, draft, own }) {
  if (own || !draft) return { orders: [], selections: [] };
  const picking = setup.hooks.find(({ selections }) => selections);
  const { context } = await get(`/sandbox/requests/${patient}/${picking.service}?draft=${encodeURIComponent(draft)}`);
  return { orders: resourcesIn(context[picking.orders]), selections: context[picking.selections] };
}

function remember() {
  const fragment = toFragment(state);
  history.replaceState(null, "", fragment || location.pathname);
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
    const request = await body(signal);
    if (signal.aborted) return;
    const [response, explained] = await Promise.all([
      post(`/cds-services/${id}`, request, signal),
      post(`/explain/${id}`, request, signal),
    ]);
    if (signal.aborted) return;
    answer = { id, asked, request, response, explained };
    showAnswer();
  } catch (error) {
    if (!signal.aborted) fail(error);
  }
}

function fail(error) {
  answer = null;
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
    if (response.ok) return "Feedback was sent and stored.";
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
    if (type === "create") orders.push({ ...resource, id: `accepted-${orders.length + 1}` });
    else if (type === "update") changes[referenceOf(resource)] = resource;
    else changes[resourceId] = null;
  }
  state = { ...state, orders, changes };
  remember();
  showAsked();
  const signing = setup.hooks.find(({ orders: taken, selections }) => taken && !selections);
  const next = h("button", { type: "button", onclick: () => enter({ ...state, hook: signing.name }) },
    `Go on to signing ${session().orders.length === 1 ? "this order" : "these orders"}`);
  const again = h("button", { type: "button", onclick: () => call() }, "Ask again with the changed orders");
  return { text: `Accepted. ${text}`, next: hook().orders ? again : next };
}

async function override(card, reason, comment) {
  const overrideReason = { reason: { code: reason.code, system: reason.system } };
  if (comment) overrideReason.userComment = comment;
  return { text: `Overridden: ${reason.display}. ${await feedback(card, { outcome: "overridden", overrideReason })}` };
}

// ----------------------------------------------------------------- what is seen

function showPeople() {
  const people = matching(setup.patients, finder.value);
  fill(places.people, peopleList(people, state.own ? null : state.patient, (id) => {
    if (matchMedia("(max-width: 60rem)").matches) places["people-box"].open = false;
    enter(fresh(id, setup.hooks[0].name), { focus: true });
  }));
  places.people.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  places["people-count"].textContent = `${people.length} of ${setup.patients.length} synthetic patients`;
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
  fill(places.chart, head, plots,
    triesView({
      setup, person: ofType(bundle, "Patient")[0], edits: state.edits, resources: bundle,
      setNumber(name, value) {
        state = { ...state, edits: { ...state.edits, [name]: value } };
        fill(plots, plotsView({ resources: chart(), setup, edits: state.edits }));
        fill(head, chartHead(chart()));
        touched();
      },
    }),
    listsView({
      resources,
      open: openResource,
      remove(resource) {
        const at = state.edits.added.findIndex((_, index) => `added-${index}` === resource.id);
        if (at >= 0) change({ added: state.edits.added.filter((_, index) => index !== at) });
        else change({ removed: [...state.edits.removed, referenceOf(resource)] });
        places.chart.querySelector("h2").focus();
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
    changed: !unedited(state.edits),
    reset: () => enter({ ...state, edits: noEdits() }),
  });
}

function showAsked() {
  const { orders, selections } = session();
  const own = Boolean(state.own);
  fill(places.asked, askedView({
    hooks: setup.hooks,
    hook: hook(),
    chooseHook: (chosen) => enter({ ...state, hook: chosen.name, draft: state.draft ?? firstDraft(chosen) })
      .then(() => places.asked.querySelector(`input[value="${chosen.name}"]`)?.focus()),
    drafts: own ? {} : person().drafts,
    draft: state.draft,
    chooseDraft: (draft) => enter({ ...state, draft, changes: {} }).then(() => document.getElementById("draft")?.focus()),
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
    share: own
      ? h("span", { class: "absent" }, "Own data have no link: they never leave this browser but in the call.")
      : copyButton("Copy a link to this state", () => location.href),
  }));
}

/** The draft that the synthetic patient shows at this hook. */
function firstDraft(chosen) {
  if (state.own || !chosen.orders) return null;
  const shown = person().shows.find((show) => show.service === chosen.service && show.draft);
  return shown?.draft ?? Object.keys(person().drafts)[0] ?? null;
}

function showAnswer() {
  const { response } = answer;
  const cards = Array.isArray(response.body?.cards) ? response.body.cards : [];
  places.cards.removeAttribute("aria-busy");
  const { orders } = session();
  const handlers = { accept, override, orderWith: (reference) => orders.find((order) => referenceOf(order) === reference) };
  fill(places.cards, h("h2", {}, response.ok ? heading(cards) : "No answer"),
    response.ok ? cards.map((card) => cardView(card, handlers)) : problem(response),
    response.ok && !cards.length && silence());
  places.status.textContent = response.ok
    ? [heading(cards), ...cards.map(({ indicator, summary }) => `${indicator}: ${summary}`)].join(". ") : "No answer";
  document.body.dataset.answered = cards.map((card) => decisionOf(card)?.card).join(" ");
  document.body.dataset.answeredFor = answer.asked;
  showPanels();
}

function heading(cards) {
  return cards.length ? `${cards.length === 1 ? "One card" : `${cards.length} cards`}` : "No card";
}

function silence() {
  const shown = person()?.shows.find((show) => show.service === answer.id && show.draft === (hook().orders ? state.draft : null));
  const reason = !state.own && unedited(state.edits) && !shown?.expect.length ? shown?.why : "";
  return h("div", { class: "silence" },
    h("p", {}, h("strong", {}, "The clinician sees nothing. "), "Silence is the usual answer. ", reason && `Here: ${reason}. `, "“Why” below names every rule that was considered."));
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
  why: () => (answer.explained.ok ? why(answer.explained.body, hook(), setup.words, openResource) : problem(answer.explained)),
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
  const same = !state.own && unedited(state.edits) && !state.orders.length && !Object.keys(state.changes).length;
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
      const own = readOwn(text.value);
      places.dialog.close();
      enter({ ...fresh(null, own.hook), own, orders: own.orders, edits: noEdits() }, { focus: true });
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
  addEventListener("hashchange", () => {
    const next = fromFragment(location.hash, setup.patients, setup.hooks);
    if (next) enter(next);
  });
  if (matchMedia("(max-width: 60rem)").matches) places["people-box"].open = false;
  return enter(fromFragment(location.hash, setup.patients, setup.hooks) ?? fresh(FIRST, setup.hooks[0].name));
}

start();
