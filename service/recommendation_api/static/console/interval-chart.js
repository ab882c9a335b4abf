// A difference over time with its interval as a band, and the line of no difference.

import {BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, day, ticks} from "./chart.js";
import {el, svg} from "./dom.js";

/**
 * Draw a difference.
 * @param caption what is compared
 * @param points {at: Date, difference, low, high}, earliest first
 * @param write how a value is written
 */
export function intervalChart(caption, points, write) {
  if (!points.length) return el("figure", {"data-key": caption}, el("figcaption", {}, caption), el("p", {class: "soft"}, "Too few users' windows were over at each look."));
  const marks = ticks(Math.min(0, ...points.map((point) => point.low)), Math.max(0, ...points.map((point) => point.high)));
  const [low, high] = [marks[0], marks.at(-1)], first = points[0].at.getTime(), last = points.at(-1).at.getTime();
  const x = (at) => LEFT + (last === first ? 0.5 : (at - first) / (last - first)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - ((value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const path = (name) => points.map((point) => `${x(point.at)},${y(point[name])}`);
  const newest = points.at(-1), told = `${write(newest.difference)}, ${write(newest.low)} to ${write(newest.high)}`;
  return el("figure", {"data-key": caption}, el("figcaption", {}, `${caption} · newest ${told}`),
    svg("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${caption}: ${points.length} looks, newest ${told}.`},
      marks.map((mark) => [
        svg("line", {class: mark === 0 ? "zero" : "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(mark), y2: y(mark)}),
        svg("text", {x: LEFT - 6, y: y(mark) + 4, "text-anchor": "end"}, write(mark)),
      ]),
      svg("text", {x: LEFT, y: HEIGHT - 6}, day(first, last - first)),
      last !== first && svg("text", {x: WIDTH - RIGHT, y: HEIGHT - 6, "text-anchor": "end"}, day(last, last - first)),
      svg("polygon", {class: "band", points: [...path("low"), ...path("high").reverse()].join(" ")}),
      svg("polyline", {class: "series", points: path("difference").join(" ")}),
      points.map((point) => [
        svg("line", {class: "whisker", x1: x(point.at), x2: x(point.at), y1: y(point.low), y2: y(point.high)}),
        svg("circle", {class: "dot", cx: x(point.at), cy: y(point.difference), r: 3.5}, svg("title", {}, `${day(point.at, 0)}: ${write(point.difference)}, ${write(point.low)} to ${write(point.high)}`)),
      ])));
}
