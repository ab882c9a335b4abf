// Calls to the API. This module's memory holds the key; the tab's storage does only where its user asked for it.

const BASE = "../api/v1/recommendation";
const KEPT = "recommendation-key";
const LONGEST_MS = 20_000;
let key = sessionStorage.getItem(KEPT) ?? "";

/** When the oldest call that is under way began, and when the last answer came. */
export const health = {pending: new Map(), answered: null, unreachable: false};

export const hasKey = () => key !== "";

export function useKey(given, keep) {
  key = given.trim();
  dispatchEvent(new Event("key")); // what was read with another one is forgotten
  if (keep && key) sessionStorage.setItem(KEPT, key);
  else sessionStorage.removeItem(KEPT);
}

/** What went wrong, in words that say what to do. */
export class Refused extends Error {
  constructor(status, detail, code) {
    super(status === 0 && detail ? detail : sentence(status, detail));
    this.status = status;
    this.code = code;
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

/** Ask, and return the decoded answer; throws Refused. Every given id is one segment of the path; arrays are repeated. */
export async function ask(method, segments, parameters = {}, body = undefined, {longest = LONGEST_MS, isPatient = false} = {}) {
  const pairs = Object.entries(parameters).flatMap(([name, value]) => [value].flat().map((one) => [name, one]));
  const query = new URLSearchParams(pairs.filter(([, value]) => value != null && value !== "")).toString();
  const path = segments.map(encodeURIComponent).join("/");
  const headers = {Accept: "application/json"};
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET") headers["Idempotency-Key"] = random();
  const name = Symbol(path);
  if (!isPatient) health.pending.set(name, Date.now()); // else it is known to take long, and the page goes on meanwhile
  let answer, document;
  try {
    answer = await fetch(`${BASE}/${path}${query && `?${query}`}`, {
      method, headers, credentials: "omit", cache: "no-store", signal: AbortSignal.timeout(longest),
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    document = await answer.json().catch(() => ({}));
  } catch (error) {
    if (error.name === "TimeoutError") throw new Refused(0, `No answer within ${longest / 1000} s; try again in a moment.`);
    health.unreachable = true;
    throw new Refused(0);
  } finally {
    health.pending.delete(name);
  }
  health.unreachable = false;
  health.answered = Date.now();
  if (!answer.ok) throw new Refused(answer.status, document.detail, document.code);
  return document;
}

/** Return a handler that takes a refusal of what is nice to have as an empty answer. */
export const softly = (empty) => (error) => {
  if (error instanceof Refused && [401, 403, 404].includes(error.status)) return empty;
  throw error;
};

// randomUUID exists in secure contexts only; a cluster-internal address is not one.
const random = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

const slow = new Map();

/** Do slow work once at a time, and return what it gives; where that takes longer than a second, that it is coming. */
export function patiently(name, work) {
  if (!slow.has(name)) slow.set(name, work().finally(() => slow.delete(name)));
  return Promise.race([slow.get(name), new Promise((resolve) => setTimeout(resolve, 1000, {isComing: true}))]);
}
