// Calls to the API. Only this module's memory holds the key: a reload forgets it.

const BASE = "../api/v1/recommendation";
let key = "";

export const useKey = (given) => { key = given.trim(); };

/** What went wrong, in words that say what to do. */
export class Refused extends Error {
  constructor(status, detail) {
    super(sentence(status, detail));
    this.status = status;
  }
}

function sentence(status, detail) {
  const lead = {
    0: "The service cannot be reached. Is it running?",
    401: key ? "This key is unknown. Enter another one above." : "Enter an API key above.",
    403: "This key does not allow that.",
    404: "Not found.",
    429: "Too many requests at once. Try again in a moment.",
    503: "The database does not answer. Try again in a moment.",
  }[status] ?? `The service answered ${status}.`;
  return detail ? `${lead} (${detail})` : lead;
}

/** Ask, and return the decoded answer; throws Refused. Every given id is one segment of the path. */
export async function ask(method, segments, parameters = {}) {
  const query = new URLSearchParams(parameters).toString();
  const path = segments.map(encodeURIComponent).join("/");
  const headers = {Accept: "application/json"};
  if (key) headers.Authorization = `Bearer ${key}`;
  if (method !== "GET") headers["Idempotency-Key"] = random();
  let answer;
  try {
    answer = await fetch(`${BASE}/${path}${query && `?${query}`}`, {method, headers, credentials: "omit", cache: "no-store"});
  } catch {
    throw new Refused(0);
  }
  const document = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, document.detail);
  return document;
}

// randomUUID exists in secure contexts only; a cluster-internal address is not one.
const random = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
