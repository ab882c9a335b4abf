// The design system, as it is used: what each part looks like, and what it means.

import {el} from "./dom.js";
import {number} from "./format.js";
import {intervalChart} from "./interval-chart.js";
import {bar, card, contributions, empty, game, state, table, tiles} from "./parts.js";
import {timeline} from "./timeline.js";

export const every = 0;

export const load = async () => ["paper", "panel", "ink", "soft", "line", "accent", "good", "warn", "bad"];

export function draw(colours) {
  return [
    card("Colours have one meaning each", el("div", {class: "row"}, colours.map((name) => el("span", {class: `swatch ${name}`}, name))),
      el("p", {class: "soft"}, "Good, warn and bad never stand without their word. Light or dark follows the system.")),
    card("Type", el("h1", {}, "Title of a view, 24 px"), el("h2", {}, "Title of a card, 17 px"), el("p", {}, "Text, 15 px. ", el("span", {class: "soft"}, "What explains it is softer. "), el("code", {}, "Names that are typed stand so."))),
    card("Spacing", el("p", {}, "Steps of 4 px: 4 within a part, 8 between parts, 16 between cards, 24 between groups.")),
    card("States", el("p", {class: "row"}, ["live", "succeeded", "running", "queued", "rejected", "failed"].map((word) => state(word)))),
    card("Figures", tiles([["Name", "1,234", "what it counts"], ["A share", "12.5 %", null]])),
    card("Games", el("p", {}, game("g-1", "A title stands before its id")), bar(0.4, 1, "an example", "a part of a whole")),
    card("Contributions", contributions([{game_id: "g-1", title: "One", contribution: 0.7}, {game_id: "g-2", title: "Two", contribution: 0.2}], 0.9)),
    card("Tables", table("Example", [["Name", (row) => row[0]], ["Number", (row) => row[1], {number: true}]], [["aligned", "1,000"], ["to the right", "20"]])),
    card("Charts", el("div", {class: "charts"}, intervalChart("An interval says how sure a difference is", [1, 2, 4, 5].map((look) => ({at: new Date(2026, 0, look), difference: 0.2, low: 0.2 - 0.5 / look, high: 0.2 + 0.5 / look})), number)),
      timeline([{key: "a", label: "A release", words: "its phases stand below it in words", plain: "A release", announced: "2026-01-01T00:00:00Z", released: "2026-01-03T00:00:00Z", ends: "2099-01-01T00:00:00Z"}])),
    card("Nothing yet", empty("An empty view says what it would show, and the next command.", "make demo")),
  ];
}
