// Releases: drops that stand, come and ended, how far their lists are, what users did; and a draft of the next one.

import {Refused, ask} from "./api.js";
import {el} from "./dom.js";
import {NONE, number, ratio, seconds, when} from "./format.js";
import {lookUp, titleOf} from "./known.js";
import {bar, card, empty, game, state, table} from "./parts.js";
import {draft, draftOf} from "./release-draft.js";
import {reachChart, release} from "./release-one.js";
import {timeline} from "./timeline.js";

export const every = 5;

const PLOTTED = 3;

/** `#/releases/<uid>` is one release, with `?lift=purchased` what its places earn, `#/releases?games=g-1,g-2&slots=2` a draft with its preview. */
export async function load({id, given}) {
  const [{drops}, {regenerations}, preview] = await Promise.all([
    ask("GET", ["drops"], {feedback: true, ended: true}), ask("GET", ["regenerations"], {limit: 100}), given.games ? previewOf(given) : undefined]);
  const plotted = drops.filter((drop) => (id ? drop.uid === id : drop.state === "standing")).slice(-PLOTTED).reverse();
  const [reaches, lift] = await Promise.all([
    Promise.all(plotted.map((drop) => ask("GET", ["drops", drop.uid, "reach"]))),
    id && given.lift ? once(() => ask("GET", ["drops", id, "lift"], {outcome: given.lift})) : undefined,
    lookUp([...drops.flatMap((drop) => (drop.uid === id ? drop.games : drop.games.slice(0, 6))), ...(preview?.displaced ?? []).map((one) => one.game_id)])]);
  return {drops, regenerations, preview, lift, reaches: plotted.map((drop, place) => [drop, reaches[place]])};
}

const PREVIEW_MS = 60_000, WAIT_MS = 1000;
let asked = {};

/** Ask once for each address, not with each refresh: it costs a look at many users. A refusal is an answer too. */
function once(work) {
  const address = location.hash;
  if (asked.address !== address) {
    const found = work().catch((error) => {
      if (error instanceof Refused) return {refused: error.message};
      throw error;
    });
    asked = {address, found};
  }
  return asked.found;
}

addEventListener("key", () => { asked = {}; });

/** Until a preview is there, the page goes on. */
function previewOf(given) {
  const found = once(() => ask("POST", ["drops", "draft", "preview"], {}, draftOf(given), {longest: PREVIEW_MS, isPatient: true}));
  return Promise.race([found, new Promise((resolve) => setTimeout(resolve, WAIT_MS, {isComing: true}))]);
}

export function draw({drops, regenerations, preview, reaches, lift}, {id, given}) {
  const newest = new Map();
  for (const one of [...regenerations].reverse()) if (one.drop_uid) newest.set(one.drop_uid, one);
  if (id) {
    const [[drop, reach] = []] = reaches;
    if (!drop) return el("p", {}, "There is no such release, or it ended long ago. ", el("a", {href: "#/releases"}, "All releases"));
    return [failures([drop], newest), ...release(drop, phases(drop, newest.get(id)), newest.get(id), reach, lift, again(drop))];
  }
  const current = drops.filter((drop) => drop.state !== "ended"), ended = drops.filter((drop) => drop.state === "ended");
  return [
    failures(current, newest),
    drops.length > 0 && card("When they stand", timeline([...current, ...ended.slice(0, 12)].map((drop) => phases(drop, newest.get(drop.uid))))),
    reaches.length > 0 && card("Reach over time", el("div", {class: "charts"}, reaches.map(([drop, reach]) => reachChart(`${drop.name}: lists remade`, reach)))),
    card("Drops", dropsTable("Drops", current, newest, empty("No drop stands or is to come.", "kubectl apply -f drop.yaml   # a draft below makes one"))),
    ended.length > 0 && card("Ended", dropsTable("Ended drops", ended, newest)),
    draft(given, preview),
  ];
}

/** What failed of drops that stand, and what to do. */
function failures(drops, newest) {
  const failed = drops.filter((drop) => newest.get(drop.uid)?.state === "failed");
  return failed.length > 0 && el("ul", {class: "troubles", "data-key": "failures"}, failed.map((drop) => {
    const one = newest.get(drop.uid);
    return el("li", {"data-key": drop.uid}, el("strong", {}, `The lists of ${drop.name} were not all remade: ${number(one.users_failed)} users were left out.`),
      ` Its games stand in lists all the same, as reads place them. kubectl describe contentdrop ${drop.name} says which shards failed; `, el("span", {class: "soft"}, "Runbook: ", el("code", {}, "docs/runbooks/drop-failed.md")));
  }));
}

function phases(drop, one) {
  const end = drop.ended_at && drop.ended_at < drop.ends_at ? drop.ended_at : drop.ends_at;
  return {
    key: drop.uid, label: [drop.name, " ", state(drop.state)],
    announced: drop.created_at, released: drop.release_time, ends: end,
    remade: one && [one.started_at, one.finished_at],
    words: ["announced ", when(drop.created_at), ", released ", when(drop.release_time), one ? `, ${reach(one)}` : "", drop.state === "ended" ? ", ended " : ", ends ", when(end)],
    plain: `${drop.name}: announced ${drop.created_at}, released ${drop.release_time}, ends ${end}`,
  };
}

/** How many of its users a drop's lists reached, and how soon. */
function reach(one) {
  const done = `lists of ${number(one.users_regenerated)} of ${number(one.users_targeted)} users`;
  return one.finished_at ? `${done} after ${seconds((Date.parse(one.finished_at) - Date.parse(one.started_at)) / 1000)}` : `${done} so far`;
}

const again = (drop) => `#/releases?${new URLSearchParams({
  name: drop.name, games: drop.games.join(","), slots: drop.placement.slots, first: drop.placement.first_position,
  days: Math.max(1, Math.round((Date.parse(drop.ends_at) - Date.parse(drop.release_time)) / 86_400_000)), release: drop.state === "scheduled" ? drop.release_time : "",
})}`;

function dropsTable(name, drops, newest, none) {
  const of = (drop) => newest.get(drop.uid);
  return table(name, [
    ["Drop", (drop) => [el("a", {href: `#/releases/${encodeURIComponent(drop.uid)}`}, el("strong", {}, drop.name)), el("br"), state(drop.state)], {plain: (drop) => drop.name}],
    ["State", (drop) => drop.state, {file: true}],
    ["Games", (drop) => [drop.games.slice(0, 6).map((id) => game(id, titleOf(id))), drop.games.length > 6 && el("span", {class: "soft"}, `and ${drop.games.length - 6} more`)], {plain: (drop) => drop.games.join(" ")}],
    ["Release", (drop) => when(drop.release_time), {file: true}],
    ["Ends", (drop) => when(drop.ended_at && drop.ended_at < drop.ends_at ? drop.ended_at : drop.ends_at), {file: true}],
    ["Places", (drop) => `${drop.placement.slots} from place ${drop.placement.first_position}`],
    ["Lists", (drop) => progress(of(drop)), {plain: (drop) => of(drop)?.users_regenerated ?? ""}],
    ["Release coverage", (drop) => ratio(of(drop)?.release_coverage), {number: true}],
    ["Clicks", (drop) => number(drop.feedback.clicked), {number: true}],
    ["Wishlisted", (drop) => number(drop.feedback.wishlisted), {number: true}],
    ["Purchases", (drop) => number(drop.feedback.purchased), {number: true}],
    ["Dismissed", (drop) => number(drop.feedback.dismissed), {number: true}],
  ], drops, {key: (drop) => drop.uid, none});
}

function progress(one) {
  if (!one) return el("span", {class: "soft"}, NONE);
  return bar(one.state === "succeeded" ? 1 : one.users_regenerated / Math.max(1, one.users_targeted), 1, "users done", [state(one.state), ` ${number(one.users_regenerated)} of ${number(one.users_targeted)} users`]);
}
