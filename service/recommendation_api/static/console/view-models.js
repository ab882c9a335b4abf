// Model versions: what each measured beside what it was compared with, and the way back.

import {ask} from "./api.js";
import {lineChart} from "./chart.js";
import {el} from "./dom.js";
import {change, number, ratio, seconds, when} from "./format.js";
import {card, confirmed, empty, state, table} from "./parts.js";

export const title = "Models";
export const every = 5;

const MAIN = /ndcg/i;

export const load = () => ask("GET", ["models"]);

export function draw({live, models}, {given}, act) {
  if (!models.length) return [empty("No model has been published yet.", "curl -X POST -H \"Authorization: Bearer $KEY\" $SERVICE/api/v1/recommendation/train")];
  const chosen = models.find((model) => model.version === given.version) ?? models.find((model) => model.live) ?? models[0];
  const other = models.find((model) => model.version === given.beside);
  return [
    card("Quality over time", el("div", {class: "charts"}, charts(models))),
    card("Versions", table("Versions", [
      ["Version", (model) => [el("a", {href: `#/models?version=${encodeURIComponent(model.version)}`}, model.version), " ", model.live && state("live")]],
      ["Made", (model) => when(model.created_at)],
      ["NDCG@10", (model) => number(main(model.quality.candidate)), {number: true}],
      ["Against popularity", (model) => change(main(model.quality.candidate), main(model.quality.popularity)), {number: true}],
      ["Share of lists", (model) => ratio(model.list_share), {number: true}],
      ["Users", (model) => number(model.users), {number: true}],
      ["Games", (model) => number(model.games), {number: true}],
      ["Components", (model) => number(model.components), {number: true}],
      ["", (model) => !model.live && el("button", {type: "button", "data-version": model.version, onclick: () => promote(model, live, models, act)}, isOlder(model, live, models) ? "Roll back to this" : "Promote")],
    ], models, {key: (model) => model.version})),
    card(`Measures of ${chosen.version}`, measures(chosen, other), beside(chosen, models)),
  ];
}

const main = (found) => Object.entries(found ?? {}).find(([name]) => MAIN.test(name))?.[1] ?? null;
const isOlder = (model, live, models) => models.indexOf(model) > models.findIndex((one) => one.version === live) && live != null;

function charts(models) {
  const points = (of, name) => models.map((model) => ({at: new Date(model.created_at), value: main(model.quality[of]), name: `${model.version} ${name}`}));
  return [
    lineChart("NDCG@10 of each version", points("candidate", "itself"), number, [["popularity", points("popularity", "popularity")], ["the live model then", points("live", "live")]]),
    lineChart("Games that the model places", models.map((model) => ({at: new Date(model.created_at), value: model.games, name: model.version})), number),
  ];
}

function measures(model, other) {
  const {candidate = {}, live, popularity, gate = {}} = model.quality;
  const rows = Object.keys(candidate).filter((name) => typeof candidate[name] === "number");
  return [
    el("p", {}, "The gate: ", state(gate.state ?? "none"), gate.reason ? ` (${gate.reason.replace(/^gate: /, "")})` : ""),
    table(`Measures of ${model.version}`, [
      ["Measure", (name) => name],
      [model.version, (name) => number(candidate[name]), {number: true}],
      ["Live then", (name) => number(live?.[name]), {number: true}],
      ["Change", (name) => change(candidate[name], live?.[name]), {number: true}],
      ["Popularity", (name) => number(popularity?.[name]), {number: true}],
      ["Change", (name) => change(candidate[name], popularity?.[name]), {number: true}],
      ...(other ? [[other.version, (name) => number(other.quality.candidate?.[name]), {number: true}], [`${model.version} to ${other.version}`, (name) => change(other.quality.candidate?.[name], candidate[name]), {number: true}]] : []),
    ], rows, {key: (name) => name, none: "Nothing was measured."}),
    el("details", {}, el("summary", {}, "What it was fitted with"), el("pre", {}, JSON.stringify(model.settings, null, 2))),
  ];
}

function beside(chosen, models) {
  const others = models.filter((model) => model.version !== chosen.version);
  return others.length > 0 && el("p", {class: "row"}, "Beside: ", others.slice(0, 12).map((model) =>
    el("a", {class: "chip", href: `#/models?version=${encodeURIComponent(chosen.version)}&beside=${encodeURIComponent(model.version)}`}, model.version)));
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
