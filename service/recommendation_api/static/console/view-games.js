// The catalogue: search it, and look at one game.

import {ask, softly} from "./api.js";
import {lineChart} from "./chart.js";
import {el} from "./dom.js";
import {number, ratio, when} from "./format.js";
import {lookUp, lookUpHosts, pictureOf} from "./known.js";
import {bar, ask as field, card, game, state, table, tiles} from "./parts.js";

export const every = 10;

export async function load({id, given}) {
  if (id) {
    const [found, owners] = await Promise.all([ask("GET", ["games", id]), given.owners ? ownersOf(id) : undefined, lookUpHosts().then((shown) => shown && lookUp([id]))]);
    return {found, owners};
  }
  const [games, popular, coverage] = await Promise.all([
    given.query ? ask("GET", ["games"], {query: given.query, limit: 50, cursor: given.cursor}).catch(softly(null)) : undefined,
    given.query ? undefined : ask("GET", ["popular"], {limit: 20}),
    given.query ? undefined : ask("GET", ["coverage"]).catch(softly(null)),
  ]);
  return {games, popular, coverage};
}

let asked = {};

/** Ask once, not with each refresh: it reads the whole store. */
async function ownersOf(id) {
  if (asked.id !== id) asked = {id, days: (await ask("GET", ["games", id, "owners"])).days};
  return asked.days;
}

export function draw(data, {id, given}) {
  const search = field("query", "Beginning of a title or an id", given.query ?? "", "Search", (text) => { location.hash = text ? `#/games?query=${encodeURIComponent(text)}` : "#/games"; });
  if (id) return [search, ...one(data.found, data.owners, id)];
  if (data.games !== undefined) return [search, matches(data.games, given)];
  return [search, popular(data.popular), exposure(data.coverage)];
}

function one(found, owners, id) {
  return [
    card(found.title ?? id,
      pictureOf(id),
      el("p", {}, el("code", {}, id), " ", found.tags.map((tag) => el("span", {class: "chip"}, tag))),
      tiles([
        [found.popular_days ? `Owners, last ${found.popular_days} days` : "Owners", number(found.owners), found.popular_rank ? `popular: place ${number(found.popular_rank)}` : "not among popular games"],
        ["May be listed", found.listed ? state("yes") : "no", found.released_at ? ["released ", when(found.released_at)] : found.available ? null : "not available"],
        ["People in the model", number(found.users_in_model), found.model_version],
        ["In top tens", number(found.top_tens), "lists, last full regeneration"],
      ]),
      owners ? el("div", {class: "charts"}, lineChart("Owners since the first", owners.map((day) => ({at: new Date(`${day.day}T00:00:00Z`), value: day.owners, name: day.day})), number))
        : el("p", {}, el("a", {class: "button", href: `#/games/${encodeURIComponent(id)}?owners=time`}, "Owners over time")),
      found.drops.length > 0 && el("p", {}, el("a", {href: "#/releases"}, found.drops.length === 1 ? "In a drop that stands" : `In ${found.drops.length} drops that stand`)),
      found.pinned_in.length > 0 && el("p", {}, "Recommended to everyone by ", found.pinned_in.map((name) => el("a", {class: "chip", href: `#/pins/${encodeURIComponent(name)}`}, name))),
    ),
    card("Nearest games", table("Nearest games", [
      ["Game", (item) => game(item.game_id, item.title), {plain: (item) => item.game_id}],
      ["Likeness", (item) => bar(item.score, 1, `likeness of ${item.game_id}`, number(item.score)), {plain: (item) => item.score}],
    ], found.neighbours, {key: (item) => item.game_id, none: "Nothing is near it: no model knows it, too few people have it, and it has no tags."})),
  ];
}

function matches(found, given) {
  if (found === null) return el("p", {class: "soft"}, "Searching needs a key with scope admin.");
  return card("Found", table("Found", [
    ["Game", (item) => game(item.game_id, item.title), {plain: (item) => item.game_id}],
    ["Tags", (item) => item.tags.slice(0, 6).map((tag) => el("span", {class: "chip"}, tag))],
    ["Released", (item) => when(item.released_at)],
    ["On sale", (item) => (item.available === false ? "no" : "yes")],
  ], found.games, {key: (item) => item.game_id, none: "No title and no id begins so."}),
  found.next_cursor && el("p", {}, el("a", {class: "button", href: `#/games?query=${encodeURIComponent(given.query)}&cursor=${encodeURIComponent(found.next_cursor)}`}, "More")));
}

function popular(found) {
  return card("Popular now", table("Popular games", [
    ["Place", (item) => number(item.rank), {number: true}],
    ["Game", (item) => game(item.game_id, item.title), {plain: (item) => item.game_id}],
    ["People", (item) => number(item.users), {number: true}],
  ], found.items, {key: (item) => item.game_id, none: "No game has an owner yet: import a file, or POST /interactions."}));
}

function exposure(found) {
  if (!found) return card("Exposure", el("p", {class: "soft"}, "Exposure needs a key with scope admin."));
  const most = Math.max(1, ...found.most_listed.map((one) => one.lists));
  return card("Exposure: how often each game stands in the top ten of a list",
    tiles([
      ["Games listed", `${number(found.games_listed)} of ${number(found.games_available)}`],
      ["Places", number(found.places)],
      ["Held by the top 1 % of games", ratio(found.share_of_top)],
      ["Gini", number(found.gini), "0: all games alike; 1: a single one"],
    ]),
    table("Exposure", [
      ["Game", (one) => game(one.game_id, one.title), {plain: (one) => one.game_id}],
      ["Lists", (one) => bar(one.lists, most, `lists with ${one.game_id}`, number(one.lists)), {plain: (one) => one.lists}],
    ], found.most_listed, {key: (one) => one.game_id, none: "No game stands in a list yet."}));
}
