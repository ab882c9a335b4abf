// The console: each section asks the API for its data and is redrawn from the answer.

import {Refused, ask, useKey} from "./api.js";
import {lineChart} from "./chart.js";
import {el, number, put, ratio, seconds, state, table, tiles, when} from "./page.js";

const place = document.getElementById("section");
const notice = document.getElementById("notice");
const SECTIONS = {
  training: ["Training", showTraining, 15],
  versions: ["Versions", showVersions, 0],
  lists: ["Drops and lists", showLists, 2],
  people: ["People", showPeople, 0],
  settings: ["Settings", showSettings, 0],
};
let current = "training";
let turn = 0;
let timer = 0;

function say(text = "", isBad = false) {
  notice.textContent = text;
  notice.className = isBad ? "bad" : "";
}

/** Flatten nested quality into [name, number]. */
function measures(quality, prefix = "") {
  return Object.entries(quality ?? {}).flatMap(([name, value]) =>
    typeof value === "number" ? [[prefix + name, value]]
    : value && typeof value === "object" && !Array.isArray(value) ? measures(value, `${prefix}${name} `) : []);
}

const mainMeasure = (found) => found.find(([name]) => /ndcg/i.test(name)) ?? found.find(([name]) => /recall|hit|precision/i.test(name));
const qualityText = (quality) => measures(quality).slice(0, 6).map(([name, value]) => `${name} ${number(value)}`).join(", ") || "–";

// --- Training

async function showTraining() {
  const {runs} = await ask("GET", ["train"], {limit: 100});
  const {regenerations} = await ask("GET", ["regenerations"], {limit: 50}).catch(softly({regenerations: []}));
  const ended = runs.filter((run) => run.finished_at);
  const success = runs.find((run) => run.state === "succeeded");
  const point = (run, value) => ({at: new Date(run.finished_at), value, name: `${run.model_version ?? run.state}, ${run.finished_at}`, tone: {failed: "bad", rejected: "warn"}[run.state]});
  const name = ended.map((run) => mainMeasure(measures(run.quality))?.[0]).find(Boolean);
  const quality = ended.flatMap((run) => measures(run.quality).filter(([own]) => own === name).map(([, value]) => point(run, value)));
  const full = regenerations.filter((one) => one.catalogue_coverage_after != null);
  const covered = full.map((one) => ({at: new Date(one.finished_at), value: one.catalogue_coverage_after, name: one.model_version}));
  const personal = full.filter((one) => one.users_targeted && !one.active_since)
    .map((one) => ({at: new Date(one.finished_at), value: one.users_personal / one.users_targeted, name: one.model_version}));
  return [
    tiles([
      ["Last run", runs[0] ? state(runs[0].state) : "none yet"],
      ["Last success", success ? when(success.finished_at) : "none yet"],
      ["Duration", seconds(ended.find((run) => run.duration_seconds != null)?.duration_seconds)],
      ["Catalogue coverage", ratio(full[0]?.catalogue_coverage_after)],
    ]),
    el("div", {class: "charts"},
      lineChart(name ? `Quality (${name})` : "Quality", quality, number),
      lineChart("Duration of training", ended.filter((run) => run.duration_seconds != null).map((run) => point(run, run.duration_seconds)), seconds),
      lineChart("Catalogue coverage", covered, ratio),
      lineChart("User coverage", personal, ratio)),
    el("h2", {}, "Runs"),
    el("div", {class: "row"}, el("button", {type: "button", id: "train", onclick: train}, "Train now")),
    table("Training runs", [
      ["State", (run) => state(run.state)],
      ["Ended", (run) => when(run.finished_at ?? run.started_at ?? run.queued_at)],
      ["Version", (run) => run.model_version ?? "–"],
      ["Took", (run) => seconds(run.duration_seconds), true],
      ["Users", (run) => number(run.users), true],
      ["Games", (run) => number(run.games), true],
      ["Quality", (run) => qualityText(run.quality)],
      ["Why", (run) => [run.reason, run.detail].filter(Boolean).join(": ") || "–"],
    ], runs.slice(0, 30), "No training has run yet. POST /train, or wait for the next scheduled one."),
  ];
}

async function train() {
  await trying(async () => {
    const run = await ask("POST", ["train"]);
    await open("training");
    say(`Training ${run.run_id} is ${run.state}.`);
  });
}

// --- Versions

async function showVersions() {
  const {live, models} = await ask("GET", ["models"]);
  const newer = models.findIndex((model) => model.version === live);
  return [
    el("h2", {}, "Model versions"),
    el("p", {class: "soft"}, "Promote an older version to roll back. Readers switch within seconds; then every list is regenerated."),
    table("Model versions", [
      ["Version", (model) => [model.version, " ", model.live && state("live")]],
      ["Made", (model) => when(model.created_at)],
      ["Share of lists", (model) => ratio(model.list_share), true],
      ["Users", (model) => number(model.users), true],
      ["Games", (model) => number(model.games), true],
      ["Components", (model) => number(model.components), true],
      ["Quality", (model) => qualityText(model.quality)],
      ["", (model) => !model.live && el("button", {type: "button", "data-version": model.version, onclick: () => promote(model.version, live, models.indexOf(model) > newer)},
        models.indexOf(model) > newer && newer >= 0 ? "Roll back to this" : "Promote")],
    ], models, "No model has been published yet. Train one first."),
  ];
}

async function promote(version, live, isBack) {
  const agreed = await confirmed(
    `${isBack ? "Roll back to" : "Promote"} ${version}?`,
    `${version} replaces ${live ?? "no model"} for every reader within seconds, and all lists are regenerated.`,
    `Make ${version} live`);
  if (!agreed) return;
  await trying(async () => {
    const done = await ask("POST", ["models", version, "promote"]);
    await open("lists");
    say(done.before === version ? `${version} was already live.` : `${version} is live. The regeneration of its lists is shown below.`);
  });
}

function confirmed(title, text, yes) {
  const dialog = document.getElementById("confirm");
  document.getElementById("confirm-title").textContent = title;
  document.getElementById("confirm-text").textContent = text;
  document.getElementById("confirm-yes").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), {once: true}));
}

// --- Drops, regenerations, coverage and exposure

async function showLists() {
  const {drops} = await ask("GET", ["drops"]);
  const {regenerations} = await ask("GET", ["regenerations"], {limit: 30});
  const {models} = await ask("GET", ["models"]).catch(softly({models: []}));
  const names = new Map(drops.map((drop) => [drop.uid, drop.name]));
  const full = regenerations.find((one) => one.catalogue_coverage_after != null && !one.active_since);
  return [
    tiles([
      ["Catalogue coverage", ratio(full?.catalogue_coverage_after)],
      ["User coverage", full?.users_targeted ? ratio(full.users_personal / full.users_targeted) : "–"],
      ["Drops standing", number(drops.filter((drop) => drop.state === "standing").length)],
      ["Under way", number(regenerations.filter((one) => one.state === "running").length)],
    ]),
    el("h2", {}, "Regenerations"),
    table("Regenerations", [
      ["State", (one) => state(one.state)],
      ["Progress", (one) => el("div", {},
        el("progress", {max: Math.max(1, one.users_targeted), value: one.state === "succeeded" ? Math.max(1, one.users_targeted) : one.users_regenerated, "aria-label": "users done"}),
        el("span", {class: "soft"}, `${number(one.users_regenerated)} of ${number(one.users_targeted)} users, ${one.shards_done} of ${one.shards} shards`))],
      ["For", (one) => (one.drop_uid ? `drop ${names.get(one.drop_uid) ?? one.drop_uid}` : one.active_since ? "some users" : "everyone")],
      ["Model", (one) => one.model_version],
      ["Began", (one) => when(one.started_at)],
      ["Catalogue coverage", (one) => `${ratio(one.catalogue_coverage_before)} → ${ratio(one.catalogue_coverage_after)}`, true],
      ["Release coverage", (one) => ratio(one.release_coverage), true],
    ], regenerations, "No list has been regenerated yet."),
    el("h2", {}, "Drops"),
    table("Drops", [
      ["Drop", (drop) => drop.name],
      ["State", (drop) => state(drop.state)],
      ["Games", (drop) => drop.games.slice(0, 8).join(", ") + (drop.games.length > 8 ? ` and ${drop.games.length - 8} more` : "")],
      ["Release", (drop) => when(drop.release_time)],
      ["Ends", (drop) => when(drop.ends_at)],
      ["Places", (drop) => `${drop.placement.slots} from place ${drop.placement.first_position}`],
    ], drops, "There are no drops."),
    ...exposure(await ask("GET", ["coverage"]).catch(softly(null))),
    el("h2", {}, "Stored lists by model version"),
    table("Versions", [
      ["Version", (model) => model.version],
      ["Share of lists", (model) => el("div", {}, el("progress", {max: 1, value: model.list_share, "aria-label": `share of ${model.version}`}), ratio(model.list_share))],
    ], models.filter((model) => model.list_share > 0), "No list is stored yet."),
  ];
}

function exposure(found) {
  const heading = el("h2", {}, "Exposure: how often each game stands in the top ten of a list");
  if (found === null) return [heading, el("p", {class: "soft"}, "Exposure needs a key with scope admin.")];
  const most = Math.max(1, ...found.most_listed.map((game) => game.lists));
  return [
    heading,
    tiles([
      ["Games listed", `${number(found.games_listed)} of ${number(found.games_available)}`],
      ["Places", number(found.places)],
      ["Share of the top 1 % of games", ratio(found.share_of_top)],
      ["Gini (0: all games alike, 1: a single game)", number(found.gini)],
    ]),
    table("Exposure", [
      ["Game", (game) => [game.game_id, game.title && el("div", {class: "soft"}, game.title)]],
      ["Lists", (game) => el("div", {}, el("progress", {max: most, value: game.lists, "aria-label": `lists with ${game.game_id}`}), number(game.lists))],
    ], found.most_listed, "No game stands in a list."),
  ];
}

// --- People

let person = "";

async function showPeople() {
  const input = el("input", {id: "user", required: true, maxlength: 128, value: person, autocomplete: "off", spellcheck: "false"});
  const result = el("div", {id: "person"});
  const look = async (event) => {
    event?.preventDefault();
    person = input.value;
    await trying(async () => {
      say();
      result.replaceChildren(...(await describe(person)));
    });
  };
  if (person) await look();
  return [
    el("h2", {}, "Look up a user"),
    el("form", {id: "user-form", onsubmit: look}, el("label", {for: "user"}, "User id"), input, el("button", {class: "strong", type: "submit"}, "Look up")),
    result,
  ];
}

async function describe(user) {
  const list = await ask("GET", ["user", user], {limit: 20});
  const kept = await ask("GET", ["user", user, "export"]).catch(softly(null));
  const {items: popular} = await ask("GET", ["popular"], {limit: 100}).catch(softly({items: []}));
  const titles = new Map(popular.map((item) => [item.game_id, item.title]));
  const answer = el("div", {id: "why"});
  const game = el("input", {id: "game", required: true, maxlength: 128, autocomplete: "off", spellcheck: "false"});
  const why = (id) => trying(async () => { say(); answer.replaceChildren(...explain(await ask("GET", ["user", user, "why"], {game_id: id}))); answer.scrollIntoView({block: "nearest"}); });
  return [
    el("h3", {}, "List of ", user),
    el("p", {class: "soft"}, list.personal ? `Personal, by model ${list.model_version}.` : "Not personal: popular games."),
    table("List", [
      ["Place", (item) => number(item.rank), true],
      ["Game", (item) => [item.game_id, titles.get(item.game_id) && el("div", {class: "soft"}, titles.get(item.game_id))]],
      ["From", (item) => item.source],
      ["Why", (item) => item.reason.text],
      ["Score", (item) => number(item.score), true],
      ["", (item) => el("button", {type: "button", "data-why": item.game_id, onclick: () => why(item.game_id)}, "Explain")],
    ], list.items, "No games to list: the catalogue is empty."),
    el("h3", {}, "Why is a game listed, or not?"),
    el("form", {id: "why-form", onsubmit: (event) => { event.preventDefault(); why(game.value); }},
      el("label", {for: "game"}, "Game id"), game, el("button", {type: "submit"}, "Explain")),
    answer,
    el("h3", {}, "Interactions"),
    kept === null ? el("p", {class: "soft"}, "Interactions need a key with scope admin.")
    : table("Interactions", [
      ["Game", (pair) => pair.game_id],
      ["Score", (pair) => number(pair.score), true],
      ["Events", (pair) => number(pair.events), true],
      ["Owned", (pair) => (pair.owned ? "owned" : pair.dismissed ? "dismissed" : "–")],
      ["Last", (pair) => when(pair.last_event_at)],
    ], kept.interactions, "No interactions."),
  ];
}

function explain(found) {
  return [
    el("p", {}, el("strong", {}, found.game_id), found.shown ? ` stands at place ${found.rank} (${found.source}): ` : " is not shown: ", found.text),
    found.score != null && el("p", {class: "soft"}, `Score ${number(found.score)}, the sum of each game's contribution:`),
    found.contributions.length > 0 && table("Contributions", [
      ["Because of", (part) => [part.game_id, part.title && el("div", {class: "soft"}, part.title)]],
      ["Adds", (part) => number(part.contribution), true],
    ], found.contributions, ""),
  ].filter(Boolean);
}

// --- Settings

async function showSettings() {
  const {weights, owning_events: owning, settings} = await ask("GET", ["settings"]);
  return [
    el("h2", {}, "Current weights"),
    table("Weights", [
      ["Event", ([name]) => name],
      ["Weight", ([, weight]) => number(weight), true],
      ["Owns the game", ([name]) => (owning.includes(name) ? "yes" : "no")],
    ], Object.entries(weights), "No weights."),
    el("h2", {}, "Current settings"),
    table("Settings", [
      ["Setting", ([name]) => name],
      ["Value", ([, setting]) => (setting.value === null ? "none" : String(setting.value))],
      ["Unit", ([, setting]) => setting.unit ?? ""],
      ["From", ([, setting]) => setting.source],
      ["Meaning", ([, setting]) => el("span", {class: "soft"}, setting.reason)],
    ], Object.entries(settings), "None."),
  ];
}

// --- The frame

/** Return a handler that takes a refusal of what is nice to have as an empty answer. */
const softly = (empty) => (error) => {
  if (error instanceof Refused && [401, 403, 404].includes(error.status)) return empty;
  throw error;
};

async function trying(work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    say(error.message, true);
  }
}

/** Open a section, or draw it again; an answer that comes after another section was opened is dropped. */
async function open(name, isRefresh = false) {
  clearTimeout(timer);
  const mine = ++turn;
  current = name;
  const [title, show, everySeconds] = SECTIONS[name];
  for (const tab of document.querySelectorAll("#tabs button")) {
    if (tab.dataset.section === name) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  if (!isRefresh) {
    say();
    place.setAttribute("aria-busy", "true");
    place.replaceChildren(el("p", {class: "soft"}, `Loading ${title} …`));
  }
  await trying(async () => {
    try {
      const nodes = await show();
      if (mine === turn) place.replaceChildren(...put(el("div"), nodes).childNodes);
    } catch (error) {
      if (mine === turn && !isRefresh) place.replaceChildren();
      throw error;
    }
  });
  if (mine === turn) place.setAttribute("aria-busy", "false");
  if (mine === turn && everySeconds) timer = setTimeout(() => (document.hidden ? open.later() : open(name, true)), everySeconds * 1000);
}
open.later = () => document.addEventListener("visibilitychange", () => open(current, true), {once: true});

for (const [name, [title]] of Object.entries(SECTIONS)) {
  document.getElementById("tabs").append(el("button", {type: "button", "data-section": name, onclick: () => open(name)}, title));
}
document.getElementById("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(document.getElementById("key").value);
  document.getElementById("key").value = "";
  open(current);
});
open(current);
