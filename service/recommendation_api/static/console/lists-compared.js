// Two lists of one user side by side: that of another model version, and the one that is read now.

import {el} from "./dom.js";
import {NONE, number} from "./format.js";
import {pictureOf} from "./known.js";
import {card, game, table, tiles} from "./parts.js";

/** What stands where: games of the present list first, then those that only the other one holds. */
function rowsOf(list, other) {
  const before = new Map(other.items.map((item) => [item.game_id, item]));
  const present = list.items.map((item) => ({item, now: item.rank, then: before.get(item.game_id)?.rank ?? null}));
  const gone = other.items.filter((item) => !list.items.some((one) => one.game_id === item.game_id));
  return [...present, ...gone.map((item) => ({item, now: null, then: item.rank}))];
}

/** How a game moved from the other list to the present one, in words. */
function moved({now, then}) {
  if (then === null) return "new";
  if (now === null) return "gone";
  if (now === then) return "same";
  return now < then ? `up ${then - now}` : `down ${now - then}`;
}

const SIGNS = {new: "+", gone: "−", same: "=", up: "▲", down: "▼"};

const sign = (word) => el("span", {class: `move ${word.split(" ")[0]}`}, el("span", {"aria-hidden": "true"}, `${SIGNS[word.split(" ")[0]]} `), word);

export function comparison(id, list, other, version) {
  const title = `List of ${id} by ${version}, and now`;
  if (other.isComing) return card(title, el("p", {class: "soft"}, `Loading ${version} beside the live model …`));
  if (other.refused) return card(title, el("p", {class: "bad"}, other.refused));
  const rows = rowsOf(list, other), words = rows.map(moved);
  const count = (word) => words.filter((one) => one.startsWith(word)).length;
  const now = list.model_version ? `now, by ${list.model_version}` : "now";
  return card(title,
    el("p", {class: "soft"}, `What ${id} reads now beside what they would read if ${version} were live: both first pages, as of this moment. Nothing is stored.`),
    tiles([
      ["In both", number(rows.length - count("new") - count("gone")), `of ${number(list.items.length)} places`],
      ["New now", number(count("new")), null],
      ["Gone since", number(count("gone")), null],
      ["At the same place", number(count("same")), null],
    ]),
    table("Comparison", [
      [`By ${version}`, (row) => (row.then === null ? NONE : number(row.then)), {number: true}],
      [now[0].toUpperCase() + now.slice(1), (row) => (row.now === null ? NONE : number(row.now)), {number: true}],
      ["Moved", (row) => sign(moved(row)), {plain: moved}],
      ["Game", (row) => game(row.item.game_id, row.item.title, pictureOf(row.item.game_id)), {plain: (row) => row.item.game_id}],
      ["From", (row) => row.item.source, {wide: true}],
      ["Why", (row) => row.item.reason.text, {wide: true, long: true}],
    ], rows, {key: (row) => row.item.game_id, none: "Both lists are empty."}));
}
