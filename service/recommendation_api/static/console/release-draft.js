// A draft of a release: what it would do, and the resource to apply.

import {el} from "./dom.js";
import {number} from "./format.js";
import {titleOf} from "./known.js";
import {card, game, gameField, table, tiles} from "./parts.js";

const USUAL = {slots: 2, first: 3, days: 14};
const names = (given) => (given.games ?? "").split(",").map((name) => name.trim()).filter(Boolean);

/** Return what the API is asked to preview. */
export const draftOf = (given) => ({
  name: given.name || "draft",
  games: names(given).map((id) => ({game_id: id})),
  created_at: new Date().toISOString(),
  release_time: given.release || null,
  placement: {slots: Number(given.slots || USUAL.slots), first_position: Number(given.first || USUAL.first), duration_days: Number(given.days || USUAL.days)},
});

export function draft(given, preview) {
  const input = (id, label, more) => el("p", {class: "ask"}, el("label", {for: `draft-${id}`}, label), el("input", {id: `draft-${id}`, autocomplete: "off", spellcheck: "false", ...more}));
  const go = (event) => {
    event.preventDefault();
    const value = (id) => event.target.querySelector(`#draft-${id}`).value.trim();
    const release = value("release");
    const wanted = {name: value("name"), games: value("games"), slots: value("slots"), first: value("first"), days: value("days"), release: release && new Date(release).toISOString()};
    location.hash = `#/releases?${new URLSearchParams(Object.entries(wanted).filter(([, text]) => text))}`;
  };
  return card("Draft a release",
    el("p", {class: "soft"}, "Who would see it, what it displaces, and the resource to apply. Nothing is written."),
    el("form", {id: "draft-form", class: "stacked", "data-key": "draft", onsubmit: go},
      el("p", {class: "ask"}, el("label", {for: "draft-games"}, "Games: titles or ids, with commas"), gameField("draft-games", given.games ?? "", {required: true, maxlength: 20_000})),
      input("name", "Name of the resource", {value: given.name ?? "", pattern: "[a-z0-9]([a-z0-9.-]*[a-z0-9])?", maxlength: 253, title: "lower-case letters, digits, - and ."}),
      input("release", "Release, your time (optional: at once)", {type: "datetime-local", value: local(given.release)}),
      input("slots", "Places in each list", {type: "number", min: 1, max: 100, value: given.slots ?? USUAL.slots}),
      input("first", "From place", {type: "number", min: 1, max: 100, value: given.first ?? USUAL.first}),
      input("days", "Days", {type: "number", min: 1, max: 90, value: given.days ?? USUAL.days}),
      el("p", {class: "row"}, el("button", {type: "submit", class: "strong"}, "Preview"))),
    preview && el("div", {"data-key": "preview"},
      preview.refused ? el("p", {class: "bad"}, preview.refused)
      : preview.isComing ? el("p", {class: "soft"}, "Ranking for up to a thousand of its users …") : result(preview),
      apply(given)));
}

/** Write a time as the field has it, in the reader's zone. */
function local(text) {
  if (!text) return "";
  const moment = new Date(text);
  return new Date(moment - 60_000 * moment.getTimezoneOffset()).toISOString().slice(0, 16);
}

function result(preview) {
  return [
    tiles([
      ["Users it reaches", number(preview.users_targeted), "whose lists are remade"],
      ["Lists that change", `${preview.exact ? "" : "about "}${number(preview.lists_touched)}`, preview.exact ? "counted" : `95 % sure: ${number(preview.lists_touched_low)} to ${number(preview.lists_touched_high)}`],
    ]),
    el("p", {class: "soft"}, preview.exact ? "Computed from the lists of all of them, as the live model would make them with the release."
      : `Computed from the lists of ${number(preview.users_ranked)} of them, drawn by a hash of their ids, as the live model would make them with the release; counts are for all.`),
    preview.unknown_similar.length > 0 && el("p", {class: "bad"}, `Unknown games: ${preview.unknown_similar.join(", ")}`),
    table("Displaced", [
      ["Game that falls a place", (one) => game(one.game_id, titleOf(one.game_id)), {plain: (one) => one.game_id}],
      [preview.exact ? "In lists" : "In about so many lists", (one) => number(one.lists), {number: true}],
    ], preview.displaced, {key: (one) => one.game_id, none: "It displaces no game."}),
  ];
}

function apply(given) {
  const text = yaml(given);
  return [
    el("h3", {}, "To apply"),
    el("pre", {id: "draft-yaml"}, text),
    el("p", {class: "row"}, el("button", {type: "button", onclick: (event) => copy(text, event.target)}, "Copy"), " ", el("code", {}, "kubectl apply -f -")),
  ];
}

async function copy(text, button) {
  const done = await navigator.clipboard?.writeText(text).then(() => true, () => false);
  if (!done) getSelection().selectAllChildren(document.getElementById("draft-yaml")); // no secure context: by hand
  button.textContent = done ? "Copied" : "Selected: copy it";
}

/** Write a draft as a resource; `JSON.stringify` quotes as YAML does. */
function yaml(given) {
  const {placement} = draftOf(given);
  const games = names(given).map((id) => `    - id: ${JSON.stringify(id)}${titleOf(id) ? `\n      title: ${JSON.stringify(titleOf(id).slice(0, 100))}` : ""}`).join("\n");
  return `apiVersion: recommendation.gamestore.dev/v1alpha1
kind: ContentDrop
metadata:
  name: ${given.name || "my-release"}
spec:
${given.release ? `  releaseTime: ${JSON.stringify(given.release)}\n` : ""}  games:
${games}
  placement:
    slots: ${placement.slots}
    firstPosition: ${placement.first_position}
    durationDays: ${placement.duration_days}
`;
}
