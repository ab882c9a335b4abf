// One user's list, why each game stands in it or not, their front page, and a playground for baskets made by hand.

import {Refused, ask, patiently, softly} from "./api.js";
import {el} from "./dom.js";
import {NONE, number, part, when} from "./format.js";
import {lookUp, lookUpHosts, pictureOf, titleOf} from "./known.js";
import {comparison} from "./lists-compared.js";
import {ask as field, card, contributions, empty, game, gameField, table} from "./parts.js";
import {frontPage} from "./shelves.js";

export const every = 10;

/**
 * `#/lists/ann`, with `?game=g-1` for why, `?beside=v3` for the list of another version, `?page=front` for the front
 * page; `#/lists?basket=g-1,g-2` is the playground, `#/lists?find=a` a search.
 */
const address = (user, given = {}) => {
  const query = new URLSearchParams(Object.entries(given).filter(([, value]) => value)).toString();
  return `#/lists${user ? `/${encodeURIComponent(user)}` : ""}${query && `?${query}`}`;
};

export async function load({id, given}) {
  const isFront = given.page === "front";
  if (!id) {
    return {
      users: given.find ? await ask("GET", ["users"], {query: given.find, limit: 20}).catch(softly(null)) : undefined,
      basket: given.basket ? await playground(given.basket) : undefined,
    };
  }
  const [list, kept, why, models, other, front, withPictures] = await Promise.all([
    ask("GET", ["user", id], {limit: 20}),
    ask("GET", ["user", id, "export"]).catch(softly(null)),
    given.game ? ask("GET", ["user", id, "why"], {game_id: given.game}).catch(refusal(404)) : undefined,
    ask("GET", ["models"]).catch(softly(null)),
    given.beside ? patiently(`${given.beside} ${id}`, () => listBy(given.beside, id)) : undefined,
    isFront ? ask("GET", ["user", id, "shelves"]) : undefined,
    lookUpHosts(),
  ]);
  const shown = withPictures ? [...list.items, ...(front?.rows.flatMap((row) => row.items) ?? [])].map((item) => item.game_id) : [];
  if (kept) await lookUp([...shown, ...kept.interactions.slice(0, 100).map((pair) => pair.game_id)]);
  return {list, kept, why, models, other, front};
}

/** Return a handler that takes refusals of some kinds as what is to be said. */
const refusal = (...statuses) => (error) => {
  if (error instanceof Refused && statuses.includes(error.status)) return {refused: error.message};
  throw error;
};

const LOADING_MS = 120_000;

/** The first list of a version may have to wait until its model is loaded. */
const listBy = (version, id) => ask("GET", ["models", version, "lists", id], {limit: 20}, undefined, {longest: LOADING_MS, isPatient: true}).catch(refusal(0, 404, 409, 422, 429));

function playground(text) {
  const games = Object.fromEntries(text.split(",").map((name) => name.trim()).filter(Boolean).map((name) => [name, 1]));
  return ask("POST", ["recommend"], {}, {games, limit: 20}).catch(refusal(409, 422));
}

export function draw(data, {id, given}) {
  const search = field("user", "User id", id ?? "", "Show the list", (user) => { location.hash = user ? address(user) : address(null); }, {required: true});
  if (!id) return [search, found(data.users, given), basket(data.basket, given)];
  const main = given.page === "front" ? frontPage(id, data.front) : given.beside ? comparison(id, data.list, data.other, given.beside) : plain(id, data.list, given);
  return [
    search,
    pages(id, given, data),
    el("div", {class: data.why ? "beside asked" : "beside"},
      main,
      el("aside", {class: "card", "data-key": "why", id: "why"},
        el("h2", {}, "Why, and why not"),
        el("form", {id: "game-form", class: "ask", onsubmit: (event) => { event.preventDefault(); location.hash = address(id, {...given, game: document.getElementById("game").value.trim()}); }},
          el("label", {for: "game"}, "Title or id"), gameField("game", given.game ?? "", {required: true}), el("button", {type: "submit"}, "Explain")),
        explain(data.why, data.list.items))),
    card("What is known of this user", interactions(data.kept)),
  ];
}

/** What can be looked at of a user, and which versions their list can be compared by. */
function pages(id, given, {list, models}) {
  const link = (text, more, isCurrent) => el("a", {class: "chip", href: address(id, {game: given.game, ...more}), "aria-current": isCurrent && "true"}, text);
  const others = (models?.models ?? []).filter((model) => model.version !== list.model_version || model.version === given.beside);
  return el("div", {class: "row", "data-key": "pages"},
    link("List", {}, !given.page && !given.beside),
    link("Front page", {page: "front"}, given.page === "front"),
    others.length > 0 && el("span", {class: "soft"}, "Beside the list by"),
    others.slice(0, 8).map((model) => link(model.version, {beside: model.version}, model.version === given.beside)),
    list.experiments?.map((one) => el("a", {class: "chip", href: `#/experiments/${encodeURIComponent(one.experiment)}`}, `${one.experiment}: ${one.variant}`)));
}

function plain(id, list, given) {
  return card(`List of ${id}`,
    el("p", {class: "soft"}, list.personal ? `Personal, by model ${list.model_version}.` : "Not personal: popular games."),
    table("List", [
      ["Place", (item) => number(item.rank), {number: true}],
      ["Game", (item) => game(item.game_id, item.title, pictureOf(item.game_id)), {plain: (item) => item.game_id}],
      ["From", (item) => item.source, {wide: true}],
      ["Why", (item) => item.reason.text, {long: true}],
      ["Score", (item) => part(item.score), {number: true, wide: true}],
      ["", (item) => el("a", {class: "button", "data-why": item.game_id, "aria-label": `Explain ${item.title || item.game_id}`, href: address(id, {...given, game: item.game_id})}, "Explain")],
    ], list.items, {key: (item) => item.game_id, none: "No games to list: the catalogue is empty, or the user owns all of it."}));
}

function explain(why, items) {
  if (!why) return el("p", {class: "soft"}, "Choose a game of the list, or name any other.");
  if (why.refused) return el("p", {class: "bad"}, "Not found: no such game.");
  return [
    el("p", {}, game(why.game_id, titleOf(why.game_id) ?? items.find((item) => item.game_id === why.game_id)?.title), why.shown ? ` stands at place ${why.rank} (${why.source}): ` : " is not shown: ", el("strong", {}, why.text)),
    why.contributions.length > 0 && contributions(why.contributions, why.score),
    why.left_out?.games > 0 && el("p", {class: "soft"}, `and ${number(why.left_out.games)} smaller ones, together ${part(why.left_out.contribution)}`),
  ];
}

function interactions(kept) {
  if (kept === null) return el("p", {class: "soft"}, "Interactions need a key with scope admin.");
  const latest = kept.interactions.toSorted((one, other) => Date.parse(other.last_event_at) - Date.parse(one.last_event_at));
  return [
    table("Interactions", [
      ["Game", (pair) => game(pair.game_id, titleOf(pair.game_id)), {plain: (pair) => pair.game_id}],
      ["Score", (pair) => number(pair.score), {number: true, wide: true}],
      ["Events", (pair) => number(pair.events), {number: true, wide: true}],
      ["Owned", (pair) => (pair.owned ? "owned" : pair.dismissed ? "dismissed" : NONE)],
      ["Last", (pair) => when(pair.last_event_at)],
    ], latest.slice(0, 100), {key: (pair) => pair.game_id, none: "No interactions: a newcomer is shown popular games."}),
    kept.interactions.length > 100 && el("p", {class: "soft"}, `The latest 100 of ${number(kept.interactions.length)}; People has all of them.`),
  ];
}

function found(users, given) {
  return card("Find a user", field("find", "Beginning of an id", given.find ?? "", "Search", (text) => { location.hash = address(null, {find: text}); }),
    users === null ? el("p", {class: "soft"}, "Searching needs a key with scope admin.")
    : users && table("Users", [["User", (one) => el("a", {href: address(one.user_id)}, one.user_id)], ["Games", (one) => number(one.games), {number: true}], ["Last", (one) => when(one.last_event_at)]], users.users, {key: (one) => one.user_id, none: "No user's id begins so."}));
}

function basket(answer, given) {
  return card("Playground: a basket made by hand",
    el("p", {class: "soft"}, "What would be recommended to someone with these games; nothing is stored."),
    el("form", {id: "basket-form", class: "ask", onsubmit: (event) => { event.preventDefault(); location.hash = address(null, {basket: document.getElementById("basket").value}); }},
      el("label", {for: "basket"}, "Titles or ids, with commas"), gameField("basket", given.basket ?? "", {maxlength: 2000}), el("button", {type: "submit"}, "Recommend")),
    answer?.refused ? el("p", {class: "bad"}, answer.refused)
    : answer && [
      answer.unknown_games.length > 0 && el("p", {class: "bad"}, `Unknown: ${answer.unknown_games.join(", ")}`),
      table("Recommended", [
        ["Place", (item) => number(item.rank), {number: true}],
        ["Game", (item) => game(item.game_id, item.title), {plain: (item) => item.game_id}],
        ["Why", (item) => item.reason?.text ?? NONE, {long: true}],
        ["Score", (item) => number(item.score), {number: true}],
      ], answer.items, {key: (item) => item.game_id, none: empty("Nothing to recommend for these games.")}),
    ]);
}
