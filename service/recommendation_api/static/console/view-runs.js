// Trainings and regenerations: how far they are, how long they took, how they ended.

import {ask} from "./api.js";
import {lineChart} from "./chart.js";
import {el} from "./dom.js";
import {NONE, number, ratio, seconds, when} from "./format.js";
import {bar, card, state, table} from "./parts.js";

export const title = "Runs";
export const every = 2;

export async function load() {
  const [{runs}, {regenerations}, {drops}] = await Promise.all([
    ask("GET", ["train"], {limit: 100}), ask("GET", ["regenerations"], {limit: 50}), ask("GET", ["drops"])]);
  return {runs, regenerations, drops};
}

export function draw({runs, regenerations, drops}, here, act) {
  const ended = runs.filter((run) => run.duration_seconds != null);
  const tone = {failed: "bad", rejected: "warn"};
  const names = new Map(drops.map((drop) => [drop.uid, drop.name]));
  const full = regenerations.filter((one) => one.catalogue_coverage_after != null && !one.active_since);
  return [
    el("div", {class: "charts"},
      lineChart("Duration of training", ended.map((run) => ({at: new Date(run.finished_at), value: run.duration_seconds, name: `${run.model_version ?? run.state}, ${run.finished_at}`, tone: tone[run.state]})), seconds),
      lineChart("Catalogue coverage", full.map((one) => ({at: new Date(one.finished_at), value: one.catalogue_coverage_after, name: one.model_version})), ratio),
      lineChart("User coverage", full.filter((one) => one.users_targeted).map((one) => ({at: new Date(one.finished_at), value: one.users_personal / one.users_targeted, name: one.model_version})), ratio)),
    card("Trainings",
      el("p", {class: "row"}, el("button", {type: "button", id: "train", class: "strong", onclick: () => train(act)}, "Train now"), el("span", {class: "soft"}, "Joins a training that is under way; reads go on meanwhile.")),
      table("Trainings", [
        ["State", (run) => state(run.state)],
        ["Ended", (run) => when(run.finished_at ?? run.started_at ?? run.queued_at)],
        ["Version", (run) => run.model_version ?? NONE],
        ["Took", (run) => seconds(run.duration_seconds), {number: true}],
        ["Users", (run) => number(run.users), {number: true}],
        ["Games", (run) => number(run.games), {number: true}],
        ["Why", (run) => [run.reason, run.detail].filter(Boolean).join(": ") || run.quality?.gate?.reason || NONE],
      ], runs.slice(0, 30), {key: (run) => run.run_id, none: "No training has run yet. Train now, or wait for the next scheduled one."})),
    card("Regenerations", table("Regenerations", [
      ["State", (one) => state(one.state)],
      ["Progress", (one) => bar(one.state === "succeeded" ? 1 : one.users_regenerated / Math.max(1, one.users_targeted), 1, "users done", `${number(one.users_regenerated)} of ${number(one.users_targeted)} users, ${one.shards_done} of ${one.shards} shards`)],
      ["For", (one) => (one.drop_uid ? `drop ${names.get(one.drop_uid) ?? one.drop_uid}` : one.active_since ? "some users" : "everyone")],
      ["Model", (one) => one.model_version],
      ["Began", (one) => when(one.started_at)],
      ["Catalogue coverage", (one) => `${ratio(one.catalogue_coverage_before)} → ${ratio(one.catalogue_coverage_after)}`, {number: true}],
      ["Release coverage", (one) => ratio(one.release_coverage), {number: true}],
    ], regenerations, {key: (one) => one.id, none: "No list has been regenerated yet. A training that goes live regenerates all of them."})),
  ];
}

const train = (act) => act(async () => {
  const run = await ask("POST", ["train"]);
  return `Training ${run.run_id} is ${run.state}.`;
});
