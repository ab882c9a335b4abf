// Experiments: what is compared, what each variant earned, how sure that is, and what to do about it.

import {Refused, ask} from "./api.js";
import {el} from "./dom.js";
import {NONE, number, ratio, when} from "./format.js";
import {intervalChart} from "./interval-chart.js";
import {ask as field, card, confirmed, empty, state, table} from "./parts.js";

export const every = 15;

const LOOKS = 8;
const address = (name, given = {}) => {
  const query = new URLSearchParams(Object.entries(given).filter(([, value]) => value)).toString();
  return `#/experiments${name ? `/${encodeURIComponent(name)}` : ""}${query && `?${query}`}`;
};

/** `#/experiments/drop-places?user=ann` also tells the variants of a user; `?over=time` looks back. */
export async function load({id, given}) {
  const [{experiments}, user, report] = await Promise.all([
    ask("GET", ["experiments"]),
    given.user ? ask("GET", ["user", given.user, "experiments"]) : undefined,
    id ? reportOf(id) : undefined,
  ]);
  const experiment = experiments.find((one) => one.name === id);
  const looks = experiment && given.over ? await looksBack(experiment) : undefined;
  return {experiments, experiment, user, report, looks};
}

const reportOf = (id, at) => ask("GET", ["experiments", id, "report"], {at}).catch((error) => {
  if (error instanceof Refused && [404, 429].includes(error.status)) return {refused: error.message};
  throw error;
});

const past = new Map();

/** Ask for the report as it was at some moments, one after the other; what was at a past moment is asked for once. */
async function looksBack(experiment) {
  const start = Date.parse(experiment.starts_at), window = 86_400_000 * experiment.window_days;
  const end = Math.min(Date.now(), experiment.ends_at ? Date.parse(experiment.ends_at) + window : Infinity);
  const step = Math.max(60_000, (end - start) / LOOKS);
  const found = [];
  for (let look = 1; look <= LOOKS && start + look * step <= end + 1; look += 1) {
    const at = new Date(Math.floor((start + look * step) / 60_000) * 60_000).toISOString(), key = `${experiment.name} ${at}`;
    if (!past.has(key)) past.set(key, await reportOf(experiment.name, at));
    if (past.get(key).refused) past.delete(key);
    else found.push(past.get(key));
  }
  return found;
}

addEventListener("key", () => past.clear());

export function draw({experiments, experiment, user, report, looks}, {id, given}, act) {
  return [
    field("who-in", "User id", given.user ?? "", "Which variants?", (text) => { location.hash = address(id, {...given, user: text}); }, {required: true}),
    user && el("p", {"data-key": "in"}, user.experiments.length ? [`${user.user_id} gets `, user.experiments.map((one) => el("a", {class: "chip", href: address(one.experiment, {user: user.user_id})}, `${one.experiment}: ${one.variant}`))] : `${user.user_id} is in no experiment that runs.`),
    card("Experiments", table("Experiments", [
      ["Experiment", (one) => el("a", {href: address(one.name, {user: given.user}), "aria-current": one.name === id && "true"}, one.name)],
      ["State", (one) => state(one.state)],
      ["Counts", (one) => `${one.outcome}, within ${one.window_days} ${one.window_days === 1 ? "day" : "days"}`],
      ["Users", (one) => `${one.percent} % of ${one.layer}`],
      ["Variants", (one) => one.variants.map((variant) => `${variant.name} ${variant.share} %`).join(", ")],
      ["Starts", (one) => when(one.starts_at)],
      ["Ends", (one) => when(one.ends_at)],
    ], experiments, {key: (one) => one.name, none: empty("Nothing is compared yet.", "curl -X PUT -H \"Authorization: Bearer $KEY\" -H \"Content-Type: application/json\" $SERVICE/api/v1/recommendation/experiments/drop-places -d '{\"variants\": [{\"name\": \"with\", \"share\": 50}, {\"name\": \"without\", \"share\": 50, \"placement\": \"off\"}]}'")})),
    id && (experiment ? one(experiment, report, looks, given, act) : el("p", {class: "bad"}, "There is no such experiment.")),
  ];
}

const WORDS = {
  Collecting: "More users may tell: too few windows are over, or the interval is still wide.",
  Significant: "It differs from the first variant, by an interval that is right at every look.",
  NoEffect: "No effect worth finding: the interval lies within the smallest change that was asked for, or no new users come.",
  TooFewUsers: "It is over, and too few users were counted to tell.",
};

function one(experiment, report, looks, given, act) {
  if (report.refused) return el("p", {class: "bad"}, report.refused);
  const [control] = experiment.variants;
  return [
    card(`What ${experiment.name} showed`,
      experiment.description && el("p", {}, experiment.description),
      report.sample_ratio.mismatch && el("p", {class: "bad"}, `Users are missing from a variant (p = ${number(report.sample_ratio.p_value)}): the differences tell nothing until it is known why.`),
      table("Variants", [
        ["Variant", (row) => el("strong", {}, row.variant)],
        ["Gets", (row) => gets(experiment.variants.find((variant) => variant.name === row.variant))],
        ["Exposed", (row) => number(row.exposed), {number: true}],
        ["Counted", (row) => number(row.counted), {number: true}],
        [`${experiment.outcome} a user`, (row) => number(row.mean), {number: true}],
        ["Against the first", (row) => (row.compared?.relative == null ? NONE : `${row.compared.relative < 0 ? "−" : "+"}${ratio(Math.abs(row.compared.relative))}`), {number: true}],
        ["95 % interval", (row) => (row.compared?.low == null ? NONE : `${number(row.compared.low)} to ${number(row.compared.high)}`), {number: true}],
        ["Verdict", (row) => (row.compared ? [state(row.compared.state, row.compared.state === "Significant" && row.compared.difference < 0 ? "bad" : undefined), " ", el("span", {class: "soft"}, WORDS[row.compared.state])] : el("span", {class: "soft"}, "the one that others are compared with")), {plain: (row) => row.compared?.state ?? ""}],
        ["Users needed", (row) => (row.compared?.users_needed == null ? NONE : `${number(row.compared.users_needed)}; ${number(row.compared.users_needed_at_every_look)} if looked at on and on`), {number: true}],
      ], report.variants, {key: (row) => row.variant}),
      report.planned && el("p", {}, "By the last weeks it needs ", report.planned.variants.map((row) => `${number(row.users_needed)} users for ${row.variant}`).join(", "), report.planned.is_complete ? "." : `; too many, as interactions before ${when(report.planned.remembered_since)} are forgotten. Ask again in some days.`),
      el("p", {class: "row"},
        el("a", {class: "button", href: address(experiment.name, {user: given.user, over: given.over ? "" : "time"})}, given.over ? "Only now" : "Over time"),
        experiment.state === "running" && el("button", {type: "button", id: "stop-experiment", onclick: () => stop(experiment, act)}, "Stop it"),
        report.winner.variant ? promotion(experiment, report.winner.variant, act) : el("span", {class: "soft"}, `No winner: ${report.winner.undecided}.`))),
    looks && card("Intervals over time", looks.length ? el("div", {class: "charts"}, experiment.variants.slice(1).map((variant) => history(variant, control, looks))) : empty("No user's window was over at an earlier look.")),
  ];
}

const SETTINGS = {
  fresh_reads: "RECOMMENDATION_FRESH_READS", half_life_days: "INTERACTION_HALF_LIFE_DAYS",
  diversity: "RECOMMENDATION_DIVERSITY", most_per_tag: "RECOMMENDATION_MOST_PER_TAG", shown_often: "RECOMMENDATION_SHOWN_OFTEN",
};

const told = (variant, write) => Object.entries(variant.settings ?? {}).filter(([, value]) => value != null).map(([name, value]) => write(name, value));

/** What the users of a variant get, in words. */
const gets = (variant) => [variant.model_version && `model ${variant.model_version}`, variant.lists === "popular" ? "popular games" : "personal lists", variant.placement === "off" ? "no drop places" : null, ...told(variant, (name, value) => `${name} ${value}`)].filter(Boolean).join(", ");

/** What gives everyone what a setting of a variant gives its users; of the trend no setting decides. */
function byHand(setting, value) {
  if (setting === "trend") return value ? null : "give its variant 99 % of another experiment";
  return SETTINGS[setting] ? `set ${SETTINGS[setting]}=${value}` : `give each ContentDrop ${value} slots`;
}

/** A button where the winner is a model and nothing else; what to do by hand where it is not. */
function promotion(experiment, name, act) {
  const variant = experiment.variants.find((one) => one.name === name), version = variant.model_version;
  const steps = [variant.lists === "popular" && "serve `GET /popular` where you served lists", variant.placement === "off" && "delete the ContentDrops that stand, and apply none",
    ...told(variant, (setting, value) => byHand(setting, value))].filter(Boolean);
  if (version && !steps.length) return el("button", {type: "button", class: "strong", "data-promote": version, onclick: () => promote(experiment, variant, act)}, `Promote the winner, ${name}`);
  if (version) steps.push(`make ${version} live under Models`);
  return el("span", {}, `${name} won. To give it to all: stop the experiment${steps.length ? `, and ${steps.join(", and ")}` : "; all others get it by default"}.`);
}

async function promote(experiment, variant, act) {
  if (!(await confirmed(`Promote ${variant.model_version}?`, `${variant.model_version} becomes live for every reader within seconds, all lists are regenerated, and the experiment ends. Its report stays.`, `Make ${variant.model_version} live`))) return;
  await act(async () => {
    const done = await ask("POST", ["experiments", experiment.name, "promote"]);
    return `${done.live} is live, and ${experiment.name} has ended.`;
  });
}

async function stop(experiment, act) {
  if (!(await confirmed(`Stop ${experiment.name}?`, "Everyone gets the usual lists again within seconds. Its report stays, and counts the windows that are not over yet. It cannot be begun again.", "Stop it"))) return;
  const {name, state: _state, ...body} = experiment;
  await act(async () => {
    await ask("PUT", ["experiments", name], {}, {...body, ends_at: new Date().toISOString()});
    return `${name} is stopped.`;
  });
}

function history(variant, control, looks) {
  const points = looks.map((report) => ({at: new Date(report.counted_until), ...report.variants.find((row) => row.variant === variant.name)?.compared})).filter((point) => point.difference != null);
  return intervalChart(`${variant.name} against ${control.name}`, points, number);
}
