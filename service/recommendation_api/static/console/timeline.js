// Phases of releases as bars over one axis of time: announced, released, lists remade, ended.

import {el, svg} from "./dom.js";

const WIDTH = 1000, HEIGHT = 16;

/**
 * Draw releases below each other.
 * @param drops {key, label, words, plain, announced, released, ends: times as text, remade: [began, ended] or nothing}
 */
export function timeline(drops) {
  const now = Date.now(), at = (text) => Date.parse(text);
  const first = Math.min(now, ...drops.map((drop) => Math.min(at(drop.announced), at(drop.released))));
  const last = Math.max(now, ...drops.map((drop) => at(drop.ends)));
  const x = (time) => ((Math.min(last, Math.max(first, time)) - first) / Math.max(1, last - first)) * WIDTH;
  const span = (from, to, kind, height = HEIGHT) => svg("rect", {class: `phase ${kind}`, x: x(from), y: (HEIGHT - height) / 2, width: Math.max(2, x(to) - x(from)), height});
  return [
    el("ol", {class: "timeline"}, drops.map((drop) =>
      el("li", {"data-key": drop.key}, el("span", {class: "label"}, drop.label),
        svg("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": drop.plain},
          at(drop.announced) < at(drop.released) && span(at(drop.announced), at(drop.released), "waits", 6),
          at(drop.ends) > at(drop.released) && span(at(drop.released), at(drop.ends), at(drop.ends) <= now ? "over" : "stands"),
          drop.remade && span(at(drop.remade[0]), at(drop.remade[1] ?? new Date(now).toISOString()), "remade"),
          svg("line", {class: "now", x1: x(now), x2: x(now), y1: 0, y2: HEIGHT})),
        el("span", {class: "soft"}, drop.words)))),
    el("p", {class: "legend", "data-key": "legend"}, [["waits", "announced"], ["stands", "in lists"], ["remade", "lists being remade"], ["over", "ended"], ["now", "now"]].map(([kind, word]) => el("span", {class: `key ${kind}`}, word))),
  ];
}
