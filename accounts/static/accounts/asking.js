// Requests to the API, for pages of which nobody needs to be signed in.

const TIMEOUT_MS = 20_000;

// A refused or failed request. `message` is a sentence for the reader; `fields` maps a field's name to what is wrong with it.
export class Refusal extends Error {
  constructor(status, { code = "error", detail = "", errors = [] } = {}) {
    super(detail || "Something went wrong. Please try again.");
    this.status = status;
    this.code = code;
    this.fields = new Map();
    for (const fault of Array.isArray(errors) ? errors : []) {
      const name = String(fault.loc?.at(-1) ?? "");
      const said = sentence(fault.msg);
      this.fields.set(name, this.fields.has(name) ? `${this.fields.get(name)} ${said}` : said);
    }
  }
}

function sentence(text) {
  const clean = String(text ?? "").replace(/^Value error, /, "");
  return /[.!?]$/.test(clean) ? clean : `${clean}.`;
}

// The parsed answer; nothing in it where the server has nothing to say. Throws Refusal.
export function post(path, body) {
  return ask("POST", path, { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
}

export function get(path) {
  return ask("GET", path, {});
}

async function ask(method, path, { body, headers = {} }) {
  let response;
  let answer = null;
  try {
    response = await fetch(`/api/v1${path}`, {
      method,
      headers: { Accept: "application/json", ...headers },
      body,
      credentials: "same-origin",
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await response.text();
    if (text && /json/.test(response.headers.get("content-type") ?? "")) answer = JSON.parse(text);
  } catch (error) {
    const late = error.name === "TimeoutError";
    throw new Refusal(0, { detail: late ? "The server takes too long to answer. Try again." : "The server cannot be reached. Check your connection and try again." });
  }
  if (!response.ok) throw new Refusal(response.status, answer ?? {});
  return answer ?? {};
}
