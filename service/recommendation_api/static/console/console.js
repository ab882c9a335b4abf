// The frame: addresses, who is signed in, refreshing. Each view loads its data and draws it; see `VIEWS`.

import {Refused, ask, hasKey, health, useKey} from "./api.js";
import {el, patch, put} from "./dom.js";
import {clock} from "./format.js";
import * as overview from "./view-overview.js";

/**
 * Titles, by the names in addresses. `view-<name>.js` has `load(where)` for a view's data, `draw(data, where, act)` for
 * its nodes, and `every`, the seconds after which it is refreshed.
 */
const VIEWS = {
  overview: "Overview", lists: "Lists", games: "Games", pins: "Pins", releases: "Releases", models: "Models",
  experiments: "Experiments", runs: "Runs", people: "People", settings: "Settings", design: "Design",
};
const FIRST = "overview";
const HIDDEN_FROM_MENU = new Set(["design"]);
const SLOW_MS = 3000;
const STALE_MS = 10_000;

const place = document.getElementById("view");
const notice = document.getElementById("notice");
const status = document.getElementById("status");
let turn = 0;
let timer = 0;
let drawnAt = null;
let every = 0;

/** Read the address: `#/lists/ann?game=g-1` is the view `lists`, the id `ann`, the parameters `{game: "g-1"}`. */
function where() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [name, ...ids] = path.split("/").map(decoded);
  return {name: Object.hasOwn(VIEWS, name) ? name : FIRST, id: ids.join("/") || null, given: Object.fromEntries(new URLSearchParams(query))};
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function say(text = "", tone = "") {
  patch(notice, text ? [el("p", {class: tone}, text)] : []);
}

/** Do what a person asked for; what goes wrong is said above the view. */
async function act(work) {
  try {
    const said = await work();
    await show(true);
    say(said || "");
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    say(error.message, "bad");
  }
}

/** Show the view of the address. A refresh keeps what stands there; an answer for an address that was left is dropped. */
async function show(isRefresh = false) {
  clearTimeout(timer);
  const mine = ++turn, here = where(), title = VIEWS[here.name];
  mark(here.name);
  if (!isRefresh) {
    say();
    place.setAttribute("aria-busy", "true");
    document.getElementById("title").textContent = title;
    document.title = `${here.id ? `${here.id} · ` : ""}${title} · Recommendation console`;
    place.replaceChildren(el("p", {class: "soft"}, "Loading …"));
  }
  try {
    const view = await module(here.name);
    if (mine === turn) ({every} = view);
    const data = await view.load(here);
    if (mine !== turn) return;
    patch(place, [...put(el("div"), view.draw(data, here, act)).childNodes]);
    if (!drawnAt) {
      performance.mark("first view"); // since the navigation began; the tests measure it
      fetchOthers();
    }
    drawnAt = new Date();
    if (notice.querySelector("[data-load]")) say();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (mine !== turn) return;
    if (!isRefresh) place.replaceChildren();
    patch(notice, [el("p", {class: "bad", "data-load": true}, error.message)]);
  } finally {
    if (mine === turn) {
      place.setAttribute("aria-busy", "false");
      tellStatus();
      if (every) timer = setTimeout(() => (document.hidden ? later() : show(true)), 1000 * every);
    }
  }
}

/** Return the module of a view; that of the first is here already. One that cannot be fetched is asked for again. */
const module = async (name) => (name === FIRST ? overview : import(`./view-${name}.js`).catch(() => { throw new Refused(0); }));

/** Fetch the other views while nothing is to do: the first is drawn sooner without them, and they open at once. */
function fetchOthers() {
  (window.requestIdleCallback ?? setTimeout)(() => Object.keys(VIEWS).forEach((name) => module(name).catch(() => undefined)));
}

/** Ask nothing while the tab is hidden; look at once when it is seen again. */
function later() {
  document.addEventListener("visibilitychange", () => show(true), {once: true});
}

function mark(name) {
  for (const link of document.querySelectorAll("#views a")) {
    if (link.dataset.view === name) {
      if (!link.hasAttribute("aria-current")) link.parentElement.scrollLeft = link.offsetLeft - 16; // on a phone, where the row is longer than the page
      link.setAttribute("aria-current", "page");
    } else link.removeAttribute("aria-current");
  }
}

/** Say as of when the view is, and whether the service answers. */
function tellStatus() {
  const oldest = Math.min(...health.pending.values());
  const waits = Date.now() - oldest;
  const age = drawnAt ? Date.now() - drawnAt : 0;
  const asOf = drawnAt ? `as of ${clock(drawnAt)}` : "";
  let text = asOf, tone = "";
  if (health.unreachable) [text, tone] = [`The service cannot be reached; ${asOf || "nothing was read yet"}`, "bad"];
  else if (waits > SLOW_MS) [text, tone] = [`No answer for ${Math.round(waits / 1000)} s; ${asOf || "nothing was read yet"}`, "bad"];
  else if (every && age > STALE_MS + 1000 * every) [text, tone] = [`Stale: ${asOf}`, "warn"];
  if (status.textContent !== text) status.textContent = text;
  if (status.dataset.tone !== tone) status.dataset.tone = tone;
}

async function tellWho() {
  const summary = document.getElementById("who"), scopes = document.getElementById("scopes");
  const found = await ask("GET", ["key"]).catch(() => null);
  summary.textContent = found ? `${found.name}${hasKey() ? "" : " (no key needed)"}` : "Sign in";
  if (found) scopes.textContent = `Allowed: ${found.scopes.join(", ")}.`;
}

function signIn(given, keep) {
  useKey(given, keep);
  document.getElementById("account").open = false;
  tellWho();
  show();
}

for (const [name, title] of Object.entries(VIEWS)) {
  if (!HIDDEN_FROM_MENU.has(name)) document.getElementById("views").append(el("a", {href: `#/${name}`, "data-view": name}, title));
}
document.getElementById("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = document.getElementById("key");
  signIn(field.value, document.getElementById("keep").checked);
  field.value = "";
});
document.getElementById("sign-out").addEventListener("click", () => signIn("", false));
document.getElementById("skip").addEventListener("click", (event) => { event.preventDefault(); document.getElementById("main").focus(); });
addEventListener("hashchange", () => (location.hash.startsWith("#/") ? show() : undefined));
setInterval(() => document.hidden || tellStatus(), 500);
show(); // first: its answer is what a reader waits for
tellWho();
