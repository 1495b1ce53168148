// A box that searches while one types, after the ARIA pattern for a combobox with a list.

import { h, fill } from "./dom.js";
import { get } from "./api.js";

const PATIENCE = 120;
let made = 0;

/** `path` answers `?q=` with [{system, code, display, groups}]; `chosen(item)` gets the choice. */
export function picker({ label, path, placeholder, chosen, keep = false }) {
  const id = `picker-${++made}`;
  let items = [];
  let active = -1;
  let timer = 0;
  let turn = 0;

  const input = h("input", {
    id, type: "text", role: "combobox", autocomplete: "off", spellcheck: "false", placeholder,
    "aria-expanded": "false", "aria-controls": `${id}-list`, "aria-autocomplete": "list",
    oninput: () => { clearTimeout(timer); timer = setTimeout(search, PATIENCE); },
    onkeydown: pressed,
    onblur: () => setTimeout(close, 150),
  });
  const list = h("ul", { id: `${id}-list`, role: "listbox", class: "options", "aria-label": label, hidden: true });
  const element = h("div", { class: "picker" }, h("label", { for: id }, label), input, list);

  async function search() {
    const text = input.value.trim();
    const mine = ++turn;
    if (text.length < 2) return close();
    let found;
    try {
      found = await get(`${path}?q=${encodeURIComponent(text)}`);
    } catch {
      found = [];
    }
    if (mine === turn) show(found);
  }

  function show(found) {
    items = found;
    active = -1;
    fill(list, found.length ? found.map(option) : h("li", { class: "none", role: "option", "aria-disabled": "true", "aria-selected": "false" }, "Nothing found"));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
  }

  function option(item, at) {
    return h("li", { id: `${id}-${at}`, role: "option", "aria-selected": "false", onmousedown: (event) => { event.preventDefault(); take(at); } },
      h("span", {}, item.display), h("small", {}, [item.code, ...item.groups].join(" · ")));
  }

  function pressed(event) {
    if (event.key === "Escape") return close();
    if (event.key === "Enter") {
      event.preventDefault();
      if (items.length) take(Math.max(active, 0));
      return undefined;
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !items.length) return undefined;
    event.preventDefault();
    mark((active + step + items.length) % items.length);
    return undefined;
  }

  function mark(at) {
    list.children[active]?.setAttribute("aria-selected", "false");
    active = at;
    list.children[at].setAttribute("aria-selected", "true");
    list.children[at].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", `${id}-${at}`);
  }

  function take(at) {
    const item = items[at];
    close();
    input.value = keep ? item.display : "";
    chosen(item);
  }

  function close() {
    turn += 1;
    items = [];
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  return element;
}
