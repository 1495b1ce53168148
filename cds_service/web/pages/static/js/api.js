// Calls to the service. Answers come back whole: status, body and how long it took.

const asked = new Map();

/** A document of this service; the same address is asked for once. */
export function get(path) {
  if (!asked.has(path)) {
    asked.set(path, load(path).catch((error) => {
      asked.delete(path);
      throw error;
    }));
  }
  return asked.get(path);
}

async function load(path) {
  const response = await fetch(path);
  const body = await response.json();
  if (!response.ok) throw new Error(told({ status: response.status, body }));
  return body;
}

/** Send JSON. Resolves for every answer; throws only when there was none. */
export async function post(path, body, signal) {
  const started = performance.now();
  const response = await fetch(path, {
    method: "POST",
    // Marked calls are left out of the feedback report.
    headers: { "Content-Type": "application/json", "CDS-Sandbox": "page" },
    body: JSON.stringify(body),
    signal,
  });
  const text = await response.text();
  const milliseconds = Math.round(performance.now() - started);
  return { ok: response.ok, status: response.status, milliseconds, body: parsed(text) };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** What an OperationOutcome, or any other failure, says to a person. */
export function told({ status, body }) {
  const issues = Array.isArray(body?.issue) ? body.issue : [];
  const texts = issues.map((issue) => issue?.details?.text ?? issue?.diagnostics).filter(Boolean);
  return texts.join(" ") || `The service answered with status ${status}.`;
}
