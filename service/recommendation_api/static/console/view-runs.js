// Trainings and regenerations: how far they are, how long they took, how they ended.

import {ask} from "./api.js";
import {DURATIONS, lineChart} from "./chart.js";
import {el} from "./dom.js";
import {NONE, brief, number, ratio, seconds, when} from "./format.js";
import {bar, card, confirmed, state, table} from "./parts.js";

export const every = 2;

export async function load() {
  const [{runs}, {regenerations}, {drops}] = await Promise.all([
    ask("GET", ["train"], {limit: 100}), ask("GET", ["regenerations"], {limit: 50}), ask("GET", ["drops"], {ended: true})]);
  return {runs, regenerations, drops};
}

export function draw({runs, regenerations, drops}, here, act) {
  const ended = runs.filter((run) => run.duration_seconds != null);
  const tone = {failed: "bad", rejected: "warn"};
  const names = new Map(drops.map((drop) => [drop.uid, drop.name]));
  const full = regenerations.filter((one) => one.catalogue_coverage_after != null && !one.active_since);
  return [
    el("div", {class: "charts"},
      lineChart("Duration of training", ended.map((run) => ({at: new Date(run.finished_at), value: run.duration_seconds, name: `${run.model_version ?? run.state}, ${run.finished_at}`, tone: tone[run.state]})), seconds, [], {tick: brief, steps: DURATIONS}),
      lineChart("Catalogue coverage", full.map((one) => ({at: new Date(one.finished_at), value: one.catalogue_coverage_after, name: one.model_version})), ratio),
      lineChart("User coverage", full.filter((one) => one.users_targeted).map((one) => ({at: new Date(one.finished_at), value: one.users_personal / one.users_targeted, name: one.model_version})), ratio)),
    card("Trainings",
      el("p", {class: "row"}, el("button", {type: "button", id: "train", class: "strong", onclick: () => train(act)}, "Train now"), el("span", {class: "soft"}, "Joins a training that is under way; reads go on meanwhile.")),
      table("Trainings", [
        ["State", (run) => state(run.state === "running" && run.stop_requested_at ? "stopping" : run.reason === "stopped" ? "stopped" : run.state)],
        ["Ended", (run) => when(run.finished_at ?? run.started_at ?? run.queued_at)],
        ["Version", (run) => run.model_version ?? NONE],
        ["Took", (run) => seconds(run.duration_seconds), {number: true}],
        ["Users", (run) => number(run.users), {number: true}],
        ["Games", (run) => number(run.games), {number: true}],
        ["Why", (run) => [run.reason, run.detail].filter(Boolean).join(": ") || run.quality?.gate?.reason || NONE],
        ["", (run) => ["queued", "running"].includes(run.state) && !run.stop_requested_at && el("button", {type: "button", "data-stop": run.run_id, onclick: () => stopRun(run, act)}, "Stop")],
      ], runs.slice(0, 30), {key: (run) => run.run_id, none: "No training has run yet. Train now, or wait for the next scheduled one."})),
    card("Regenerations", table("Regenerations", [
      ["State", (one) => state(one.state)],
      ["Progress", (one) => bar(one.state === "succeeded" ? 1 : one.users_regenerated / Math.max(1, one.users_targeted), 1, "users done", `${number(one.users_regenerated)} of ${number(one.users_targeted)} users, ${one.shards_done} of ${one.shards} shards`)],
      ["For", (one) => (one.drop_uid ? ["drop ", el("a", {href: `#/releases/${encodeURIComponent(one.drop_uid)}`}, names.get(one.drop_uid) ?? one.drop_uid)] : one.active_since ? "some users" : "everyone")],
      ["Model", (one) => one.model_version],
      ["Began", (one) => when(one.started_at)],
      ["Took", (one) => seconds(one.finished_at && (Date.parse(one.finished_at) - Date.parse(one.started_at)) / 1000), {number: true}],
      ["Catalogue coverage", (one) => `${ratio(one.catalogue_coverage_before)} → ${ratio(one.catalogue_coverage_after)}`, {number: true}],
      ["Release coverage", (one) => ratio(one.release_coverage), {number: true}],
      ["", (one) => doable(one, act)],
    ], regenerations, {key: (one) => one.id, none: "No list has been regenerated yet. A training that goes live regenerates all of them."})),
  ];
}

/** A drop's own regeneration is the operator's: it ends with its drop, and begins anew with it. */
function doable(one, act) {
  if (one.drop_uid) return one.state === "running" && el("span", {class: "soft"}, "ends with its drop");
  if (one.state === "running") return el("button", {type: "button", "data-stop": one.id, onclick: () => stopRegeneration(one, act)}, "Stop");
  return one.state === "failed" && el("button", {type: "button", "data-again": one.id, onclick: () => again(one, act)}, "Try again");
}

async function stopRun(run, act) {
  if (!(await confirmed("Stop this training?", run.state === "queued" ? "It ends at once; nothing has begun." : "It ends before its next stage, which may take as long as a fit. Nothing is published, and the live model stays.", "Stop it"))) return;
  await act(async () => {
    const ended = await ask("POST", ["train", run.run_id, "stop"]);
    return ended.state === "running" ? "The training ends before its next stage." : `The training ${ended.reason === "stopped" ? "is stopped" : ended.state}.`;
  });
}

async function stopRegeneration(one, act) {
  if (!(await confirmed("Stop this regeneration?", `Shards stop at their next block. The lists of ${number(one.users_regenerated)} users are new, all others stay as they are; reads fold in from the live model meanwhile.`, "Stop it"))) return;
  await act(async () => {
    const ended = await ask("POST", ["regenerations", one.id, "fail"], {}, {failed_shards: []});
    return ended.state === "failed" ? "The regeneration is stopped." : `The regeneration ${ended.state}.`;
  });
}

const again = (one, act) => act(async () => {
  const days = one.active_since && Math.max(1, Math.ceil((Date.now() - Date.parse(one.active_since)) / 86_400_000));
  const opened = await ask("POST", ["regenerations"], {}, {shards: one.shards, ...(days && {audience: {active_within_days: days}})});
  return opened.worked_on_by === "service" ? "It begins anew." : `It is open, and waits for Jobs: recs regenerate --regeneration ${opened.id} --shard 0 --shards ${opened.shards}`;
});

const train = (act) => act(async () => {
  const run = await ask("POST", ["train"]);
  return `Training ${run.run_id} is ${run.state}.`;
});
