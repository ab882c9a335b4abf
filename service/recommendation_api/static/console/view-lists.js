// One user's list, why each game stands in it or not, and a playground for baskets made by hand.

import {Refused, ask, softly} from "./api.js";
import {el} from "./dom.js";
import {NONE, number, part, when} from "./format.js";
import {ask as field, card, contributions, empty, game, table} from "./parts.js";

export const title = "Lists";
export const every = 10;

/** `#/lists/ann`, with `?game=g-1` for why; `?basket=g-1,g-2` for the playground; `?find=a` for a search. */
const address = (user, given = {}) => {
  const query = new URLSearchParams(Object.entries(given).filter(([, value]) => value)).toString();
  return `#/lists${user ? `/${encodeURIComponent(user)}` : ""}${query && `?${query}`}`;
};

export async function load({id, given}) {
  if (!id) {
    return {
      users: given.find ? await ask("GET", ["users"], {query: given.find, limit: 20}).catch(softly(null)) : undefined,
      basket: given.basket ? await playground(given.basket) : undefined,
    };
  }
  const [list, kept, why] = await Promise.all([
    ask("GET", ["user", id], {limit: 20}),
    ask("GET", ["user", id, "export"]).catch(softly(null)),
    given.game ? ask("GET", ["user", id, "why"], {game_id: given.game}).catch(unknownGame) : undefined,
  ]);
  return {list, kept, why};
}

const unknownGame = (error) => {
  if (error instanceof Refused && error.status === 404) return {unknown: true};
  throw error;
};

async function playground(text) {
  const games = Object.fromEntries(text.split(",").map((name) => name.trim()).filter(Boolean).map((name) => [name, 1]));
  try {
    return await ask("POST", ["recommend"], {}, {games, limit: 20});
  } catch (error) {
    if (error instanceof Refused && [409, 422].includes(error.status)) return {refused: error.message};
    throw error;
  }
}

export function draw(data, {id, given}) {
  const search = field("user", "User id", id ?? "", "Show the list", (user) => { location.hash = user ? address(user) : address(null); }, {required: true});
  if (!id) return [search, found(data.users, given), basket(data.basket, given)];
  return [
    search,
    el("div", {class: "beside"},
      card(`List of ${id}`,
        el("p", {class: "soft"}, data.list.personal ? `Personal, by model ${data.list.model_version}.` : "Not personal: popular games."),
        table("List", [
          ["Place", (item) => number(item.rank), {number: true}],
          ["Game", (item) => game(item.game_id, item.title), {plain: (item) => item.game_id}],
          ["From", (item) => item.source],
          ["Why", (item) => item.reason.text],
          ["Score", (item) => part(item.score), {number: true}],
          ["", (item) => el("a", {class: "button", "data-why": item.game_id, href: address(id, {...given, game: item.game_id})}, "Explain")],
        ], data.list.items, {key: (item) => item.game_id, none: "No games to list: the catalogue is empty, or the user owns all of it."})),
      el("aside", {class: "card", "data-key": "why", id: "why"},
        el("h2", {}, "Why, and why not"),
        field("game", "Game id", given.game ?? "", "Explain", (name) => { location.hash = address(id, {...given, game: name}); }, {required: true}),
        explain(data.why, data.list.items))),
    card("What is known of this user", interactions(data.kept)),
  ];
}

function explain(why, items) {
  if (!why) return el("p", {class: "soft"}, "Choose a game of the list, or name any other.");
  if (why.unknown) return el("p", {class: "bad"}, "Not found: no such game.");
  return [
    el("p", {}, game(why.game_id, items.find((item) => item.game_id === why.game_id)?.title), why.shown ? ` stands at place ${why.rank} (${why.source}): ` : " is not shown: ", el("strong", {}, why.text)),
    why.contributions.length > 0 && contributions(why.contributions, why.score),
    why.left_out?.games > 0 && el("p", {class: "soft"}, `and ${number(why.left_out.games)} smaller ones, together ${part(why.left_out.contribution)}`),
  ];
}

function interactions(kept) {
  if (kept === null) return el("p", {class: "soft"}, "Interactions need a key with scope admin.");
  return table("Interactions", [
    ["Game", (pair) => game(pair.game_id), {plain: (pair) => pair.game_id}],
    ["Score", (pair) => number(pair.score), {number: true}],
    ["Events", (pair) => number(pair.events), {number: true}],
    ["Owned", (pair) => (pair.owned ? "owned" : pair.dismissed ? "dismissed" : NONE)],
    ["Last", (pair) => when(pair.last_event_at)],
  ], kept.interactions.slice(0, 100), {key: (pair) => pair.game_id, none: "No interactions: a newcomer is shown popular games."});
}

function found(users, given) {
  return card("Find a user", field("find", "Beginning of an id", given.find ?? "", "Search", (text) => { location.hash = address(null, {find: text}); }),
    users === null ? el("p", {class: "soft"}, "Searching needs a key with scope admin.")
    : users && table("Users", [["User", (one) => el("a", {href: address(one.user_id)}, one.user_id)], ["Games", (one) => number(one.games), {number: true}]], users.users, {key: (one) => one.user_id, none: "No user's id begins so."}));
}

function basket(answer, given) {
  return card("Playground: a basket made by hand",
    el("p", {class: "soft"}, "What would be recommended to someone with these games; nothing is stored."),
    field("basket", "Game ids, with commas", given.basket ?? "", "Recommend", (text) => { location.hash = address(null, {basket: text}); }, {maxlength: 2000}),
    answer?.refused ? el("p", {class: "bad"}, answer.refused)
    : answer && table("Recommended", [
      ["Place", (item) => number(item.rank), {number: true}],
      ["Game", (item) => game(item.game_id, item.title), {plain: (item) => item.game_id}],
      ["Why", (item) => item.reason?.text ?? NONE],
      ["Score", (item) => number(item.score), {number: true}],
    ], answer.items, {key: (item) => item.game_id, none: empty("Nothing to recommend for these games.")}));
}
