// Releases: which drops stand, come and how far their lists are.

import {ask} from "./api.js";
import {el} from "./dom.js";
import {number, ratio, when} from "./format.js";
import {bar, card, game, state, table} from "./parts.js";

export const title = "Releases";
export const every = 5;

export async function load() {
  const [{drops}, {regenerations}] = await Promise.all([ask("GET", ["drops"], {feedback: true}), ask("GET", ["regenerations"], {limit: 100})]);
  return {drops, regenerations};
}

export function draw({drops, regenerations}) {
  const newest = new Map();
  for (const one of [...regenerations].reverse()) if (one.drop_uid) newest.set(one.drop_uid, one);
  const ended = regenerations.filter((one) => one.drop_uid && !drops.some((drop) => drop.uid === one.drop_uid));
  return [
    drops.length > 0 && card("When they stand", timeline(drops)),
    card("Drops", table("Drops", [
      ["Drop", (drop) => el("strong", {}, drop.name)],
      ["State", (drop) => state(drop.state)],
      ["Games", (drop) => [drop.games.slice(0, 6).map((id) => game(id)), drop.games.length > 6 && el("span", {class: "soft"}, `and ${drop.games.length - 6} more`)], {plain: (drop) => drop.games.join(" ")}],
      ["Release", (drop) => when(drop.release_time)],
      ["Ends", (drop) => when(drop.ends_at)],
      ["Places", (drop) => `${drop.placement.slots} from place ${drop.placement.first_position}`],
      ["Lists", (drop) => progress(newest.get(drop.uid))],
      ["Release coverage", (drop) => ratio(newest.get(drop.uid)?.release_coverage), {number: true}],
      ["Clicks", (drop) => number(drop.feedback.clicked), {number: true}],
      ["Wishlisted", (drop) => number(drop.feedback.wishlisted), {number: true}],
      ["Purchases", (drop) => number(drop.feedback.purchased), {number: true}],
      ["Dismissed", (drop) => number(drop.feedback.dismissed), {number: true}],
    ], drops, {key: (drop) => drop.uid, none: "No drop stands or is to come. kubectl apply a ContentDrop, or PUT /drops/{uid}."})),
    drops.length > 0 && card("As resources", drops.map((drop) => el("details", {"data-key": `yaml ${drop.uid}`}, el("summary", {}, drop.name), el("pre", {}, yaml(drop))))),
    ended.length > 0 && card("Ended", table("Ended drops", [
      ["Drop", (one) => el("code", {}, one.drop_uid)],
      ["State", (one) => state(one.state)],
      ["Lists made", (one) => number(one.users_regenerated), {number: true}],
      ["Began", (one) => when(one.started_at)],
      ["Ended", (one) => when(one.finished_at)],
      ["Catalogue coverage", (one) => `${ratio(one.catalogue_coverage_before)} → ${ratio(one.catalogue_coverage_after)}`],
      ["Release coverage", (one) => ratio(one.release_coverage), {number: true}],
    ], ended, {key: (one) => one.id})),
  ];
}

function progress(one) {
  if (!one) return el("span", {class: "soft"}, "not remade yet");
  return bar(one.state === "succeeded" ? 1 : one.users_regenerated / Math.max(1, one.users_targeted), 1, "users done", [state(one.state), ` ${number(one.users_regenerated)} of ${number(one.users_targeted)} users`]);
}

function timeline(drops) {
  const now = Date.now(), starts = drops.map((drop) => Date.parse(drop.release_time)), ends = drops.map((drop) => Date.parse(drop.ends_at));
  const first = Math.min(now, ...starts), last = Math.max(now + 1, ...ends);
  return el("ol", {class: "timeline"}, drops.map((drop, place) =>
    el("li", {"data-key": drop.uid}, el("span", {class: "label"}, drop.name, " ", state(drop.state)),
      el("meter", {min: first, max: last, value: Math.min(ends[place], Math.max(now, starts[place])), "aria-label": `${drop.name} stands from ${drop.release_time} to ${drop.ends_at}`}),
      el("span", {class: "soft"}, when(drop.release_time), " to ", when(drop.ends_at)))));
}

/** Write a drop as a resource: its games by id, as titles and tags stand in the catalogue. */
function yaml(drop) {
  const days = Math.round((Date.parse(drop.ends_at) - Date.parse(drop.release_time)) / 86_400_000);
  const games = drop.games.map((id) => `    - id: ${JSON.stringify(id)}`).join("\n");
  return `apiVersion: recommendation.gamestore.dev/v1alpha1
kind: ContentDrop
metadata:
  name: ${drop.name}
spec:
  releaseTime: "${drop.release_time}"
  games:
${games}
  placement:
    slots: ${drop.placement.slots}
    firstPosition: ${drop.placement.first_position}
    durationDays: ${days}
`;
}
