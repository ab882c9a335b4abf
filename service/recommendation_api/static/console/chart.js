// Lines over time as a picture: labelled axes, a title on every point, and a sentence for people who cannot see it.

import {el, svg} from "./dom.js";

export const WIDTH = 320, HEIGHT = 160, LEFT = 64, RIGHT = 12, TOP = 12, BOTTOM = 26;

/** Round a span into at most five even steps, as people read them; `preferred` are steps of another unit, such as minutes. */
export function ticks(low, high, preferred = []) {
  const rough = (high - low) / 4 || 1, power = 10 ** Math.floor(Math.log10(rough));
  const decimal = [1, 2, 2.5, 5, 10].map((unit) => unit * power).find((unit) => unit >= rough);
  const step = (rough > 1 && preferred.find((unit) => unit >= rough)) || decimal;
  const found = [];
  for (let tick = Math.floor(low / step); tick * step < high + step * 0.999; tick += 1) found.push(tick * step || 0); // no -0
  return found;
}

/** Steps of an axis of durations, in seconds. */
export const DURATIONS = [2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];

const LONG_MS = 4 * 86_400_000;

/** Write a moment below an axis that spans so much. */
export const day = (time, span) => new Date(time).toLocaleString([], {month: "short", day: "numeric", ...(span < LONG_MS && {hour: "2-digit", minute: "2-digit"})});

const sorted = (points) => points.filter((point) => Number.isFinite(point.value)).sort((a, b) => a.at - b.at);

/**
 * Draw lines over the same time.
 * @param caption what they show
 * @param points {at: Date, value: number, name: string, tone?: string} of the line itself, any order
 * @param write how a value is written
 * @param baselines [name, points] of lines to compare with, drawn dashed
 * @param more own: name of the line itself; writeAt, tick: how a time below the axis is written, and a value beside it;
 *   axis: what the axis of time shows; steps: as `ticks` prefers them
 */
export function lineChart(caption, points, write, baselines = [], {own: name = "this", writeAt = day, tick = write, axis = null, steps = []} = {}) {
  const own = sorted(points);
  if (!own.length) return el("figure", {"data-key": caption}, el("figcaption", {}, caption), el("p", {class: "soft"}, "Nothing to show yet."));
  const others = baselines.map(([name, found]) => [name, sorted(found)]).filter(([, found]) => found.length);
  const all = [own, ...others.map(([, found]) => found)].flat();
  const values = all.map((point) => point.value);
  const marks = ticks(Math.min(0, ...values), Math.max(...values) || 1, steps);
  const [low, high] = [marks[0], marks[marks.length - 1]];
  const times = all.map((point) => point.at.getTime());
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const x = (at) => LEFT + (last === first ? 0.5 : (at - first) / (last - first)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - ((value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const path = (found) => found.map((point) => `${x(point.at)},${y(point.value)}`).join(" ");
  const newest = own[own.length - 1];
  const written = own.map((point) => point.value);
  const sentence = `${caption}: ${own.length} points, lowest ${write(Math.min(...written))}, highest ${write(Math.max(...written))}, newest ${write(newest.value)}.`
    + others.map(([name, found]) => ` ${name}: newest ${write(found[found.length - 1].value)}.`).join("");
  return el("figure", {"data-key": caption}, el("figcaption", {}, `${caption} · newest ${write(newest.value)}`),
    svg("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": sentence},
      marks.map((mark) => [
        svg("line", {class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(mark), y2: y(mark)}),
        svg("text", {x: LEFT - 6, y: y(mark) + 4, "text-anchor": "end"}, tick(mark)),
      ]),
      svg("text", {x: LEFT, y: HEIGHT - 6}, writeAt(first, last - first)),
      axis && svg("text", {x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 6, "text-anchor": "middle"}, axis),
      last !== first && svg("text", {x: WIDTH - RIGHT, y: HEIGHT - 6, "text-anchor": "end"}, writeAt(last, last - first)),
      others.flatMap(([other, found], place) => found.length === 1 ? [svg("circle", {class: `dot b${place}`, cx: x(found[0].at), cy: y(found[0].value), r: 3}, svg("title", {}, `${other}: ${write(found[0].value)}`))] : []),
      others.map(([, found], place) => svg("polyline", {class: `series baseline b${place}`, points: path(found)})),
      svg("polyline", {class: "series", points: path(own)}),
      own.map((point) => svg("circle", {class: `dot ${point.tone ?? ""}`, cx: x(point.at), cy: y(point.value), r: own.length > 30 ? 2 : 3.5}, svg("title", {}, `${point.name}: ${write(point.value)}`)))),
    others.length > 0 && el("p", {class: "legend"}, el("span", {class: "key own"}, name), others.map(([other], place) => el("span", {class: `key b${place}`}, other))));
}
