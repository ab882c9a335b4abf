// Weights and settings in force, and where each value comes from.

import {ask} from "./api.js";
import {el} from "./dom.js";
import {number} from "./format.js";
import {card, state, table} from "./parts.js";

export const title = "Settings";
export const every = 30;

export const load = () => ask("GET", ["settings"]);

export function draw({weights, owning_events: owning, settings}) {
  return [
    card("Weights of events", table("Weights", [
      ["Event", ([name]) => name],
      ["Weight", ([, weight]) => number(weight), {number: true}],
      ["Owns the game", ([name]) => (owning.includes(name) ? "yes" : "no")],
    ], Object.entries(weights), {key: ([name]) => name})),
    card("Settings in force", table("Settings", [
      ["Setting", ([name]) => el("code", {}, name)],
      ["Value", ([, setting]) => el("strong", {}, setting.value === null ? "none" : String(setting.value))],
      ["Unit", ([, setting]) => setting.unit ?? ""],
      ["From", ([, setting]) => (setting.source === "default" ? "default" : state(setting.source))],
      ["Meaning", ([, setting]) => el("span", {class: "soft"}, setting.reason)],
    ], Object.entries(settings), {key: ([name]) => name})),
  ];
}
