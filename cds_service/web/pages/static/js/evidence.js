// Finds codes while one types. Without this script the form leads to a page with the same answer.
import { h, fill } from "./dom.js";

const form = document.querySelector("[data-find-codes]");
const place = document.querySelector("[data-found-codes]");
let asked = 0;

async function find() {
  const text = form.elements.q.value.trim();
  const turn = ++asked;
  if (text.length < 2) return fill(place);
  const response = await fetch(`/evidence/codes.json?q=${encodeURIComponent(text)}`);
  const found = await response.json();
  if (turn === asked) fill(place, summary(found), found.total ? table(found.codes) : null);
}

function summary({ total, codes }) {
  const shown = codes.length < total ? `, the first ${codes.length} are shown` : "";
  return h("p", {}, `${total} ${total === 1 ? "entry" : "entries"}${shown}.`);
}

function table(codes) {
  const heads = ["System", "Code", "Name", "Value set"].map((text) => h("th", { scope: "col" }, text));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Codes found" },
    h("table", {}, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, codes.map(row))));
}

function row({ system, code = "", display = "", match, set, title }) {
  return h("tr", {},
    h("td", {}, system),
    h("td", {}, code && h("code", {}, code), match === "begins" && h("span", { class: "why" }, " and all that begin so")),
    h("td", {}, display),
    h("td", {}, h("a", { href: `/evidence/valuesets/${set}` }, title)));
}

// The contents are open where they have a column of their own.
const contents = document.querySelector("[data-contents]");
contents.open = window.matchMedia("(min-width: 75rem)").matches;

// What is folded on the screen is part of the printed page.
window.addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("section details")) folded.open = true;
});

form.addEventListener("input", find);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  find();
});
