// A hook call as an EHR makes it. The service itself runs the prefetch templates on the chart.

import { post, told } from "./api.js";

/** A path of this service with the values that a state has chosen. */
export function valued(path, values) {
  return values ? `${path}?values=${values}` : path;
}

/** Make a call and ask for its explanation. Resolves to {path, response, explained}. */
export async function ask({ id, request, values, late }, signal) {
  if (!values && !late.length) {
    const [response, explained] = await Promise.all([`/cds-services/${id}`, `/explain/${id}`].map((path) => post(path, request, signal)));
    return { path: `/cds-services/${id}`, response, explained };
  }
  const query = new URLSearchParams([...(values ? [["values", values]] : []), ...late.map((key) => ["late", key])]);
  const path = `/sandbox/calls/${id}?${query}`;
  const response = await post(path, request, signal);
  if (!response.ok) return { path, response, explained: response };
  const { cards, explanation } = response.body;
  return { path, response: { ...response, body: { cards } }, explained: { ...response, body: explanation } };
}

/** The whole body of a call. */
export async function hookRequest({ hook, resources, orders, selections, values = "" }, signal) {
  const chart = bundleOf(resources);
  const response = await post(valued(`/sandbox/requests/${hook.service}`, values), { chart, orders: bundleOf(orders), selections }, signal);
  if (!response.ok) throw new Error(told(response));
  return response.body;
}

/** What of a call depends on the orders. */
export function orderContext(hook, orders, selections) {
  if (!hook.orders) return {};
  return { ...(hook.selections ? { [hook.selections]: selections } : {}), [hook.orders]: bundleOf(orders) };
}

function bundleOf(resources) {
  return { resourceType: "Bundle", type: "collection", entry: resources.map((resource) => ({ resource })) };
}

/** A random id, also where the page is not served over TLS and `crypto.randomUUID` is missing. */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** The call for a terminal. */
export function curl(serviceId, path, body, state) {
  const url = `'${location.origin}${path}'`;
  const send = "curl -s -H 'Content-Type: application/json' --data-binary @-";
  if (state) {
    const draft = state.draft ? `?draft=${state.draft}` : "";
    return `curl -s '${location.origin}/sandbox/requests/${state.patient}/${serviceId}${draft}' |\n  ${send} ${url}`;
  }
  // No line of compact JSON can be the word that ends the text.
  return `${send} ${url} <<'END_OF_CALL'\n${JSON.stringify(body)}\nEND_OF_CALL`;
}
