// Cards as an EHR shows them, with what a click on a suggestion would change, and the way to decline.

import { h, fill } from "./dom.js";
import { markdown, safeLink } from "./markdown.js";
import { LEVELS, mark } from "./outcome.js";
import { orderView } from "./orders.js";

const ACTIONS = { create: "Creates", update: "Changes", delete: "Removes" };

/**
 * One card. `orderWith(reference)` finds the draft that an action is about; `accept(card, suggestion)`
 * and `override(card, reason, comment)` send the feedback and resolve to what became of it.
 */
export function cardView(card, handlers) {
  const level = LEVELS[card.indicator] ? card.indicator : "info";
  const title = `card-${card.uuid}`;
  const below = h("div", { class: "below" });
  const view = h("article", { class: `card ${card.indicator}`, "aria-labelledby": title, "data-card": decisionOf(card)?.card },
    h("header", {},
      mark(level),
      h("div", {}, h("span", { class: "level" }, LEVELS[level].word), h("h3", { id: title }, card.summary))),
    card.detail && h("div", { class: "detail" }, markdown(card.detail)),
    suggestionList(card, handlers, below),
    below,
    foot(card, handlers, below));
  return view;
}

export function decisionOf(card) {
  return card?.extension?.["org.magnesium-migraine.decision"];
}

function suggestionList(card, handlers, below) {
  const suggestions = card.suggestions ?? [];
  if (!suggestions.length) return null;
  const main = suggestions.find(({ isRecommended }) => isRecommended) ?? (card.indicator === "info" ? null : safest(suggestions));
  return h("div", { class: "suggestions", role: "group", "aria-label": "Suggestions" },
    suggestions.map((suggestion) => h("button", {
      type: "button",
      class: suggestion === main ? "main" : "",
      onclick: () => fill(below, preview(card, suggestion, handlers, below)).querySelector("h4").focus(),
    }, suggestion.label, suggestion.isRecommended && h("span", { class: "recommended" }, " · recommended"))));
}

/** Of suggestions without a recommended one: what removes an order, then what changes one, then tests. */
function safest(suggestions) {
  const does = (type) => suggestions.find(({ actions = [] }) => actions.some((action) => action.type === type));
  return does("delete") ?? does("update") ?? suggestions[0];
}

function preview(card, suggestion, handlers, below) {
  const accept = h("button", { type: "button", class: "main" }, "Accept");
  accept.addEventListener("click", async () => {
    // One of the suggestions of a card can be accepted, and once.
    for (const button of below.closest(".card").querySelectorAll(".suggestions button, .preview button.main")) button.disabled = true;
    done(below, await handlers.accept(card, suggestion));
  });
  return h("section", { class: "preview" },
    h("h4", { tabindex: "-1" }, "What this changes"),
    suggestion.actions.map((action) => change(action, handlers)),
    h("p", { class: "row" }, accept,
      h("button", { type: "button", onclick: () => fill(below) }, "Not now")));
}

function change(action, { orderWith }) {
  const { resource } = action;
  const reference = action.resourceId ?? (resource ? `${resource.resourceType}/${resource.id ?? ""}` : "");
  const before = action.type === "create" ? null : orderWith(reference);
  return h("div", { class: `change ${action.type}` },
    h("p", {}, h("strong", {}, ACTIONS[action.type] ?? action.type), `: ${action.description ?? reference}`),
    h("div", { class: "sides" }, side("Before", before, resource), side("After", action.type === "delete" ? null : resource, before)));
}

/** A resource as JSON; lines that the other side does not have are marked. */
function side(name, resource, other) {
  const lines = resource ? JSON.stringify(resource, null, 2).split("\n") : [];
  const others = new Set(other ? JSON.stringify(other, null, 2).split("\n") : []);
  const marked = other ? lines.map((line) => (others.has(line) ? `${line}\n` : h("mark", {}, line, "\n"))) : [lines.join("\n")];
  return h("div", {},
    h("h5", {}, name),
    resource ? orderView(resource, other) : h("p", { class: "nothing" }, "No order"),
    resource && h("details", {}, h("summary", {}, `${name}: FHIR JSON`),
      h("pre", { tabindex: "0", role: "region", "aria-label": `${name}, as FHIR` }, marked)));
}

function foot(card, handlers, below) {
  const reasons = card.overrideReasons ?? [];
  return h("footer", {},
    h("p", { class: "source" }, "Source: ", safeLink(card.source?.url ?? "", card.source?.label ?? "unnamed"),
      (card.links ?? []).map((link) => [" · ", safeLink(link.url, link.label)])),
    reasons.length > 0 && h("button", {
      type: "button",
      class: "quiet",
      onclick: () => fill(below, overrideForm(card, reasons, handlers, below)).querySelector("select").focus(),
    }, "Override…"));
}

function overrideForm(card, reasons, handlers, below) {
  const choice = h("select", { name: "reason", required: true },
    h("option", { value: "" }, "Choose a reason"),
    reasons.map((reason, at) => h("option", { value: at }, reason.display)));
  const comment = h("input", { name: "comment", maxlength: "200", autocomplete: "off" });
  const send = h("button", { class: "main" }, "Override");
  const form = h("form", { class: "override" },
    h("h4", {}, "Override this card"),
    h("label", {}, "Reason", choice),
    h("label", {}, "Comment, without patient data (optional)", comment),
    h("p", { class: "row" }, send, h("button", { type: "button", onclick: () => fill(below) }, "Not now")));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (choice.value === "") return;
    send.disabled = true;
    done(below, await handlers.override(card, reasons[Number(choice.value)], comment.value.trim()));
  });
  return form;
}

function done(below, { text, next }) {
  fill(below, h("p", { class: "done", tabindex: "-1" }, text, next && [" ", next]));
  below.firstElementChild.focus();
  below.closest(".card")?.classList.add("decided");
}
