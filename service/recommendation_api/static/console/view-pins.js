// What the shop itself recommends to everyone: see, add, take off.

import {ask} from "./api.js";
import {el} from "./dom.js";
import {NONE, number, when} from "./format.js";
import {ask as field, card, confirmed, game, table} from "./parts.js";

export const title = "Pins";
export const every = 10;

const source = (id) => id || "editorial";

export const load = () => ask("GET", ["lists"]);

export function draw({lists}, {id}, act) {
  const name = source(id), found = lists.find((one) => one.source === name);
  return [
    lists.length > 0 && el("p", {}, "Lists for everyone: ", lists.map((one) => el("a", {class: "chip", href: `#/pins/${encodeURIComponent(one.source)}`}, `${one.source} (${one.items.length})`))),
    field("source", "Source: editorial, or rule:name", name, "Show", (text) => { location.hash = `#/pins/${encodeURIComponent(text || "editorial")}`; }),
    card(`Recommended to everyone by ${name}`, table("Pins", [
      ["Position", (pin) => number(pin.position), {number: true}],
      ["Game", (pin) => game(pin.game_id, pin.title), {plain: (pin) => pin.game_id}],
      ["Reason", (pin) => pin.reason || NONE],
      ["Score", (pin) => number(pin.score), {number: true}],
      ["Expires", (pin) => when(pin.expires_at)],
      ["", (pin) => el("button", {type: "button", "data-pin": pin.game_id, onclick: () => takeOff(name, pin, act)}, "Take off")],
    ], found?.items ?? [], {key: (pin) => pin.game_id, none: "Nothing is pinned for everyone."})),
    card("Add", add(name, act)),
  ];
}

function add(name, act) {
  const input = (id, label, more) => el("p", {class: "ask"}, el("label", {for: id}, label), el("input", {id, autocomplete: "off", spellcheck: "false", ...more}));
  return el("form", {id: "pin-form", class: "stacked", onsubmit: (event) => { event.preventDefault(); pin(name, event.target, act); }},
    input("pin-game", "Game id", {required: true, maxlength: 128}),
    input("pin-position", "Position, 1 is first (optional)", {type: "number", min: 1, max: 1000}),
    input("pin-expires", "Until (optional)", {type: "datetime-local"}),
    input("pin-reason", "Reason that people read (optional)", {maxlength: 300}),
    el("p", {class: "row"}, el("button", {type: "submit", class: "strong"}, "Pin for everyone")));
}

async function pin(name, form, act) {
  const value = (id) => form.querySelector(`#${id}`).value;
  const [id, position, expires, reason] = ["pin-game", "pin-position", "pin-expires", "pin-reason"].map(value);
  const row = {
    game_id: id.trim(), source: name, score: 1, reason: reason || null,
    position: position ? Number(position) : null, expires_at: expires ? new Date(expires).toISOString() : null,
  };
  const before = await ask("GET", ["user", "preview-of-a-newcomer"], {limit: 10}).catch(() => null); // nice to know, no more
  const falls = position && before?.items.find((item) => item.rank === Number(position));
  const agreed = await confirmed(`Pin ${row.game_id}?`,
    `Everyone sees it ${position ? `at place ${position}` : "among the shop's own"} at once${expires ? ` until ${new Date(expires).toLocaleString()}` : ", until it is taken off"}.${falls ? ` A newcomer has ${falls.title || falls.game_id} there now.` : ""}`, "Pin it");
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
