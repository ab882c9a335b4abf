// What the shop itself recommends to everyone: see, add with a preview of what a user would read, take off.

import {Refused, ask} from "./api.js";
import {el} from "./dom.js";
import {NONE, number, when} from "./format.js";
import {ask as field, card, confirmed, game, gameField, state, table} from "./parts.js";

export const every = 10;

const source = (id) => id || "editorial";

/** `#/pins/editorial?game=g-1&position=2&user=ann` shows what the user would read with that pin. */
const address = (name, given = {}) => {
  const query = new URLSearchParams(Object.entries(given).filter(([, value]) => value)).toString();
  return `#/pins/${encodeURIComponent(name)}${query && `?${query}`}`;
};

export async function load({id, given}) {
  const [{lists}, preview] = await Promise.all([ask("GET", ["lists"]), given.game && given.user ? previewOf(source(id), given) : undefined]);
  return {lists, preview};
}

const itemOf = (given) => ({
  score: 1, position: given.position ? Number(given.position) : null, reason: given.reason || null, expires_at: given.expires || null,
});

async function previewOf(name, given) {
  try {
    const [after, before] = await Promise.all([
      ask("POST", ["lists", name, given.game, "preview"], {}, {user_id: given.user, ...itemOf(given)}), ask("GET", ["user", given.user], {limit: 20})]);
    return {after: after.items, before: new Map(before.items.map((item) => [item.game_id, item.rank]))};
  } catch (error) {
    if (error instanceof Refused && [404, 422].includes(error.status)) return {refused: error.message};
    throw error;
  }
}

export function draw({lists, preview}, {id, given}, act) {
  const name = source(id), found = lists.find((one) => one.source === name);
  return [
    lists.length > 0 && el("p", {}, "Lists for everyone: ", lists.map((one) => el("a", {class: "chip", href: address(one.source)}, `${one.source} (${one.items.length})`))),
    field("source", "Source: editorial, or rule:name", name, "Show", (text) => { location.hash = address(text || "editorial"); }),
    card(`Recommended to everyone by ${name}`, table("Pins", [
      ["Position", (pin) => number(pin.position), {number: true}],
      ["Game", (pin) => game(pin.game_id, pin.title), {plain: (pin) => pin.game_id}],
      ["Reason", (pin) => pin.reason || NONE],
      ["Score", (pin) => number(pin.score), {number: true}],
      ["Expires", (pin) => when(pin.expires_at)],
      ["", (pin) => el("button", {type: "button", "data-pin": pin.game_id, "aria-label": `Take ${pin.title || pin.game_id} off`, onclick: () => takeOff(name, pin, act)}, "Take off")],
    ], found?.items ?? [], {key: (pin) => pin.game_id, none: "Nothing is pinned for everyone."})),
    card("Add", add(name, given, act), preview && effect(preview, given)),
  ];
}

/** The form; its second button shows the effect on a user first. */
function add(name, given, act) {
  const line = (id, label, ...inputs) => el("p", {class: "ask"}, el("label", {for: id}, label), inputs);
  const input = (id, label, more) => line(id, label, el("input", {id, autocomplete: "off", spellcheck: "false", ...more}));
  const submitted = (event) => {
    event.preventDefault();
    const told = toldBy(event.target);
    if (event.submitter?.id === "pin-preview") location.hash = address(name, told);
    else pin(name, told, event.target, act);
  };
  return el("form", {id: "pin-form", class: "stacked", "data-key": "pin-form", onsubmit: submitted},
    line("pin-game", "Game: title or id", gameField("pin-game", given.game ?? "", {required: true})),
    input("pin-position", "Position, 1 is first (optional)", {type: "number", min: 1, max: 1000, value: given.position ?? ""}),
    input("pin-expires", "Until (optional)", {type: "datetime-local"}),
    input("pin-reason", "Reason that people read (optional)", {maxlength: 300, value: given.reason ?? ""}),
    input("pin-user", "A user to look at first (optional)", {maxlength: 128, value: given.user ?? ""}),
    el("p", {class: "row"}, el("button", {type: "submit", class: "strong"}, "Pin for everyone"), el("button", {type: "submit", id: "pin-preview"}, "Preview for that user")));
}

function toldBy(form) {
  const value = (id) => form.querySelector(`#${id}`).value.trim();
  const expires = value("pin-expires");
  return {game: value("pin-game"), position: value("pin-position"), expires: expires && new Date(expires).toISOString(), reason: value("pin-reason"), user: value("pin-user")};
}

function effect(preview, given) {
  if (preview.refused) return el("p", {class: "bad"}, preview.refused);
  const shown = preview.after.some((item) => item.game_id === given.game);
  const before = (item) => preview.before.get(item.game_id);
  return el("div", {"data-key": "effect"}, el("h3", {}, `What ${given.user} would read`),
    !shown && el("p", {}, "The first page stays as it is: the user owns or dismissed the game, it is not on sale, or others come first."),
    table("Preview", [
      ["Place", (item) => number(item.rank), {number: true}],
      ["Now", (item) => (before(item) ? number(before(item)) : NONE), {number: true}],
      ["Game", (item) => [game(item.game_id, item.title), item.game_id === given.game && [" ", state("pinned")]], {plain: (item) => item.game_id}],
      ["From", (item) => item.source],
    ], preview.after, {key: (item) => item.game_id}));
}

async function pin(name, told, form, act) {
  const row = {game_id: told.game, source: name, ...itemOf(told)};
  const agreed = await confirmed(`Pin ${row.game_id}?`,
    `Everyone sees it ${row.position ? `at place ${row.position}` : "among the shop's own"} at once${row.expires_at ? ` until ${new Date(row.expires_at).toLocaleString()}` : ", until it is taken off"}, but for those who own or dismissed it.`, "Pin it");
  if (!agreed) return;
  await act(async () => {
    await ask("POST", ["batch"], {}, {recommendations: [row], mode: "merge"});
    form.reset();
    return `${row.game_id} is pinned for everyone.`;
  });
}

async function takeOff(name, pin, act) {
  if (!(await confirmed(`Take ${pin.title || pin.game_id} off?`, "It goes from everyone's list at once, unless it stands there for another reason.", "Take it off"))) return;
  await act(async () => {
    await ask("DELETE", ["lists", name, pin.game_id]);
    return `${pin.game_id} is off.`;
  });
}
