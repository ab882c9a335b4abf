// One look: is all well, and what are the lists like.

import {ask} from "./api.js";
import {lineChart} from "./chart.js";
import {el} from "./dom.js";
import {NONE, ago, brief, number, ratio, seconds, when} from "./format.js";
import {card, empty, state, table, tiles} from "./parts.js";

export const every = 5;

export const load = () => ask("GET", ["overview"]);

export function draw(found) {
  return [
    troubles(found.troubles),
    tiles([
      ["Live model", found.live ? el("a", {href: "#/models"}, found.live.version) : "none", found.live ? ["made ", ago(found.live.created_at), `, from ${number(found.live.pairs)} pairs`] : "POST /train makes one"],
      ["Training", training(found.training), next(found.training)],
      ["Users", number(found.users), "with lists, last full regeneration"],
      ["Games", number(found.games), found.live ? `${number(found.live.games)} in the model` : null],
      ["Catalogue coverage", ratio(found.lists.catalogue_coverage), "games in any top ten"],
      ["User coverage", ratio(found.lists.user_coverage), "users with a personal list"],
      ["Drops", number(found.drops.standing), `standing; ${found.drops.scheduled} to come`],
      ["Regenerations", found.lists.regenerations_running ? state("running") : "none", found.lists.last_finished_at ? ["last ended ", ago(found.lists.last_finished_at)] : null],
    ]),
    card("The last hour, over all replicas", hour(found)),
    card("Recent changes", table("Changes", [
      ["When", (change) => when(change.at)],
      ["Who", (change) => change.holder],
      ["What", (change) => [DONE[change.action] ?? "", " ", el("code", {class: "soft"}, change.action)], {plain: (change) => change.action}],
      ["Of", (change) => about(change), {plain: (change) => change.subject ?? ""}],
    ], found.changes, {key: (change) => change.number, none: "Nothing was changed with an admin's or the operator's key yet."})),
  ];
}

const DONE = {
  "PUT /drops/{uid}": "made a drop known", "DELETE /drops/{uid}": "ended a drop",
  "POST /regenerations": "began to remake lists", "POST /regenerations/{regeneration_id}/fail": "ended a regeneration",
  "POST /train": "asked for a training", "POST /train/{run_id}/stop": "stopped a training", "POST /models/{version}/promote": "put a model live",
  "PUT /experiments/{name}": "set an experiment", "POST /experiments/{name}/promote": "gave all users what won", "DELETE /experiments/{name}": "deleted an experiment",
  "DELETE /user/{user_id}": "erased a person", "POST /user/{user_id}/merge": "merged a visitor into an account",
  "DELETE /games/{game_id}": "deleted a game",
};

const PAGES = {drops: "releases", experiments: "experiments", games: "games"};

/** What was changed, with a link where it has a page of its own. */
function about({action, subject}) {
  const page = PAGES[action.split("/")[1]];
  return subject === null ? NONE : page ? el("a", {href: `#/${page}/${encodeURIComponent(subject)}`}, subject) : subject;
}

function troubles(found) {
  if (!found.length) return el("p", {class: "well", "data-key": "well"}, "All is well: nothing is failing, late or uncovered.");
  return el("ul", {class: "troubles", "data-key": "troubles"}, found.map((one) =>
    el("li", {"data-key": one.code}, el("strong", {}, one.text), " ", el("span", {class: "soft"}, "Runbook: ", el("code", {}, `docs/runbooks/${one.runbook}.md`)))));
}

function training(now) {
  if (now.started_at) return state("running");
  if (now.queued_at) return state("queued");
  return now.last_result ? state(now.last_result === "insufficient_data" ? "too little data" : now.last_result) : "none yet";
}

function next(now) {
  if (now.suspended) return "suspended on purpose";
  if (now.started_at) return ["began ", ago(now.started_at)];
  if (!now.last_finished_at) return null;
  const ended = ["ended ", ago(now.last_finished_at)];
  if (!now.usual_pause_seconds) return ended;
  const left = (new Date(now.last_finished_at).getTime() - Date.now()) / 1000 + now.usual_pause_seconds;
  return [...ended, left > 0 ? `; the next in about ${seconds(Math.round(left))}` : "; the next is due"];
}

function hour({hour: sums, minutes}) {
  if (!minutes.length) return empty("Nothing was answered in the last hour. A minute shows when it is over.");
  const shown = sums.feedback.shown ?? 0, clicked = sums.feedback.clicked ?? 0;
  const points = (value) => minutes.map((one) => ({at: new Date(one.minute), value: value(one), name: one.minute}));
  return [
    tiles([
      ["Lists read", number(sums.reads), `${number(sums.reads / 60, 1)} a minute`],
      ["Events", number(sums.events), `${number(sums.events / 60, 1)} a minute`],
      ["Slowest 1 % of reads", seconds(sums.p99_seconds), "began at or below"],
      ["Popular only", ratio(sums.reads ? sums.fallback / sums.reads : null), "of users who did something"],
      ["Clicks", number(clicked), shown ? `${ratio(clicked / shown)} of ${number(shown)} shown` : "no `shown` feedback"],
      ["Failed requests", number(sums.failed), sums.failed ? "status 500 and above" : null],
    ]),
    el("div", {class: "charts"},
      lineChart("Lists read a minute", points((one) => one.reads), number),
      lineChart("Events a minute", points((one) => one.events), number),
      lineChart("Slowest 1 % of reads", points((one) => one.p99_seconds), seconds, [], {tick: brief})),
  ];
}
