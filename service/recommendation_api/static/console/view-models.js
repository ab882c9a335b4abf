// Model versions: what each measured beside what it was compared with, what its lists cover, and the way back.

import {ask, softly} from "./api.js";
import {lineChart} from "./chart.js";
import {el} from "./dom.js";
import {change, number, ratio, when} from "./format.js";
import {card, confirmed, empty, game, state, table, tiles} from "./parts.js";

export const every = 5;

const MAIN = /ndcg/i;

/** `#/models?version=v4&beside=v3` compares two versions. */
export async function load() {
  const [models, {regenerations}, coverage] = await Promise.all([ask("GET", ["models"]), ask("GET", ["regenerations"], {limit: 100}), ask("GET", ["coverage"]).catch(softly(null))]);
  return {...models, regenerations, coverage};
}

export function draw({live, models, regenerations, coverage}, {given}, act) {
  if (!models.length) return [empty("No model has been published yet.", "curl -X POST -H \"Authorization: Bearer $KEY\" $SERVICE/api/v1/recommendation/train")];
  const chosen = models.find((model) => model.version === given.version) ?? models.find((model) => model.live) ?? models[0];
  const other = models.find((model) => model.version === given.beside && model !== chosen);
  const full = new Map();
  for (const one of [...regenerations].reverse()) if (one.state === "succeeded" && !one.active_since) full.set(one.model_version, one);
  return [
    card("Quality over time", el("div", {class: "charts"}, charts(models))),
    card("Versions", table("Versions", [
      ["Version", (model) => [el("a", {href: `#/models?version=${encodeURIComponent(model.version)}`, "aria-current": model === chosen && "true"}, model.version), " ", model.live && state("live")]],
      ["Made", (model) => when(model.created_at)],
      ["NDCG@10", (model) => number(main(model.quality.candidate)), {number: true}],
      ["Against live then", (model) => change(main(model.quality.candidate), main(model.quality.live)), {number: true}],
      ["Against popularity", (model) => change(main(model.quality.candidate), main(model.quality.popularity)), {number: true}],
      ["Gate", (model) => state(model.quality.gate?.state ?? "none")],
      ["Catalogue coverage", (model) => ratio(full.get(model.version)?.catalogue_coverage_after), {number: true}],
      ["User coverage", (model) => ratio(userCoverage(full.get(model.version))), {number: true}],
      ["Share of lists", (model) => ratio(model.list_share), {number: true}],
      ["Users", (model) => model.users, {file: true}],
      ["Games", (model) => model.games, {file: true}],
      ["Factors", (model) => model.components, {file: true}],
      ["", (model) => !model.live && el("button", {type: "button", "data-version": model.version, onclick: () => promote(model, live, models, act)}, isOlder(model, live, models) ? "Roll back to this" : "Promote")],
    ], models, {key: (model) => model.version})),
    card(`Measures of ${chosen.version}`, measures(chosen, other), beside(chosen, other, models)),
    coverage && exposure(coverage),
  ];
}

const main = (found) => Object.entries(found ?? {}).find(([name]) => MAIN.test(name))?.[1] ?? null;
const userCoverage = (one) => (one?.users_targeted ? one.users_personal / one.users_targeted : null);
const isOlder = (model, live, models) => models.indexOf(model) > models.findIndex((one) => one.version === live) && live != null;

function charts(models) {
  const points = (of, name) => models.map((model) => ({at: new Date(model.created_at), value: main(model.quality[of]), name: `${model.version} ${name}`}));
  return [
    lineChart("NDCG@10 of each version", points("candidate", "itself"), number, [["popularity", points("popularity", "popularity")], ["the live model then", points("live", "live")]]),
    lineChart("Games that the model places", models.map((model) => ({at: new Date(model.created_at), value: model.games, name: model.version})), number),
  ];
}

/** What each measure means; in all but the last two of these more is better. */
const MEANINGS = {
  ndcg: "held-out games found, higher places count more", recall: "share of the held-out games that were found", hit_rate: "users with at least one of them",
  mrr: "how high the first of them stands", catalogue_coverage: "games that stand in any list", exposure_gini: "how unevenly games share the places; 0 is even", novelty: "how little known the listed games are, in bits",
};

/** The measures of one ranker, with that of the judgement by time where there was one. */
const withTime = (quality, of) => ({...quality[of], ...(quality.by_time?.[of] && {"ndcg@10, by time": main(quality.by_time[of])})});

function measures(model, other) {
  const {gate = {}} = model.quality;
  const [candidate, live, popularity] = ["candidate", "live", "popularity"].map((of) => withTime(model.quality, of));
  const rows = Object.keys(candidate).filter((name) => typeof candidate[name] === "number");
  return [
    el("p", {class: "soft"}, `Fitted to ${number(model.pairs)} pairs of ${number(model.users)} users and ${number(model.games)} games, with ${number(model.components)} factors.`),
    el("p", {}, "The gate: ", state(gate.state ?? "none"), gate.reason ? ` (${gate.reason.replace(/^gate: /, "")})` : "", gate.users ? `, by ${number(gate.users)} users whose games no fit has seen.` : ""),
    table(`Measures of ${model.version}`, [
      ["Measure", (name) => [el("strong", {}, name), " ", el("span", {class: "soft"}, MEANINGS[name.split("@")[0]] ?? "")], {plain: (name) => name}],
      [model.version, (name) => number(candidate[name]), {number: true}],
      ["Live then", (name) => number(live[name]), {number: true}],
      ["Change from live", (name) => change(candidate[name], live[name]), {number: true}],
      ["Popularity", (name) => number(popularity[name]), {number: true}],
      ["Change from popularity", (name) => change(candidate[name], popularity[name]), {number: true}],
      ...(other ? [[other.version, (name) => number(withTime(other.quality, "candidate")[name]), {number: true}], [`${model.version} to ${other.version}`, (name) => change(withTime(other.quality, "candidate")[name], candidate[name]), {number: true}]] : []),
    ], rows, {key: (name) => name, none: "Nothing was measured."}),
    el("details", {"data-key": "fitted"}, el("summary", {}, "What it was fitted with"), el("pre", {}, JSON.stringify(model.settings, null, 2))),
  ];
}

function beside(chosen, other, models) {
  const others = models.filter((model) => model.version !== chosen.version);
  return others.length > 0 && el("p", {class: "row"}, "Beside: ", others.slice(0, 12).map((model) =>
    el("a", {class: "chip", "aria-current": model === other && "true", href: `#/models?version=${encodeURIComponent(chosen.version)}&beside=${encodeURIComponent(model.version)}`}, model.version)));
}

function exposure(found) {
  return card("What the lists cover, last full regeneration",
    tiles([
      ["Catalogue coverage", ratio(found.catalogue_coverage), `${number(found.games_listed)} of ${number(found.games_available)} games in a top ten`],
      ["User coverage", ratio(found.user_coverage), "users with a personal list"],
      ["Held by the top 1 % of games", ratio(found.share_of_top), "of all places"],
      ["Gini", number(found.gini), "0: all games alike; 1: a single one"],
    ]),
    found.most_listed.length > 0 && el("p", {class: "row"}, "Most listed: ", found.most_listed.slice(0, 3).map((one) => game(one.game_id, one.title)), " ", el("a", {href: "#/games"}, "All exposure")));
}

async function promote(model, live, models, act) {
  const isBack = isOlder(model, live, models);
  const agreed = await confirmed(
    `${isBack ? "Roll back to" : "Promote"} ${model.version}?`,
    `${model.version} replaces ${live ?? "no model"} for every reader within seconds, and all lists are regenerated. ${model.version} was made ${new Date(model.created_at).toLocaleString()}.`,
    `Make ${model.version} live`);
  if (!agreed) return;
  await act(async () => {
    const done = await ask("POST", ["models", model.version, "promote"]);
    return done.before === model.version ? `${model.version} was already live.` : `${model.version} is live. Runs show the regeneration of its lists.`;
  });
}
