// Weights and settings in force, and where each value comes from.

import {ask} from "./api.js";
import {el} from "./dom.js";
import {number} from "./format.js";
import {card, state, table} from "./parts.js";

export const every = 30;

export const load = () => ask("GET", ["settings"]);

/** Take the marks of the documents out of a sentence: links to their pages, and quotes of code. */
const spoken = (text) => text.replace(/\[([^\]]+)\]\([^)]*\)/g, "$1").replaceAll("`", "");

export function draw({weights, owning_events: owning, settings, unknown}) {
  return [
    unknown.length > 0 && el("ul", {class: "troubles", "data-key": "unknown"}, unknown.map((text) => el("li", {}, el("strong", {}, text), "."))),
    card("Weights of events", table("Weights", [
      ["Event", ([name]) => name],
      ["Weight", ([, weight]) => number(weight), {number: true}],
      ["Owns the game", ([name]) => (owning.includes(name) ? "yes" : "no")],
    ], Object.entries(weights), {key: ([name]) => name})),
    card("Settings in force", table("Settings", [
      ["Setting", ([name, setting]) => [el("code", {}, name.split("_").flatMap((word, place) => (place ? [el("wbr"), `_${word}`] : [word]))), el("p", {class: "soft small"}, spoken(setting.reason))], {plain: ([name]) => name}],
      ["Value", ([, setting]) => [el("strong", {class: "value"}, setting.value === null ? "none" : String(setting.value)), setting.value !== null && setting.unit && ` ${setting.unit}`], {plain: ([, setting]) => setting.value}],
      ["Unit", ([, setting]) => setting.unit ?? "", {file: true}],
      ["From", ([, setting]) => (setting.source === "default" ? "default" : state(setting.source))],
      ["Takes", ([, setting]) => setting.takes, {file: true}],
      ["Meaning", ([, setting]) => spoken(setting.reason), {file: true}],
    ], Object.entries(settings), {key: ([name]) => name})),
    el("p", {class: "soft"}, "How this console looks, and why: ", el("a", {href: "#/design"}, "its design"), "."),
  ];
}
