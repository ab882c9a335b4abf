// A line over time as SVG: labelled axes, a title on every point, and a sentence for people who cannot see it.

import {el, put} from "./page.js";

const WIDTH = 380, HEIGHT = 170, LEFT = 56, RIGHT = 12, TOP = 12, BOTTOM = 26;

function svg(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  return put(node, ...children);
}

/** Round a span into at most five even steps, as people read them. */
function ticks(low, high) {
  const rough = (high - low) / 4 || 1, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((unit) => unit * power).find((unit) => unit >= rough);
  const found = [];
  for (let tick = Math.floor(low / step) * step; tick < high + step * 0.999; tick += step) found.push(tick);
  return found;
}

/**
 * Draw a line.
 * @param caption what it shows
 * @param points {at: Date, value: number, name: string, tone?: string}, any order
 * @param write how a value is written
 */
export function lineChart(caption, points, write) {
  const sorted = points.filter((point) => Number.isFinite(point.value)).sort((a, b) => a.at - b.at);
  if (!sorted.length) return el("figure", {}, el("figcaption", {}, caption), el("p", {class: "soft"}, "Nothing to show yet."));
  const values = sorted.map((point) => point.value);
  const marks = ticks(Math.min(0, ...values), Math.max(...values) || 1);
  const [low, high] = [marks[0], marks[marks.length - 1]];
  const [first, last] = [sorted[0].at.getTime(), sorted[sorted.length - 1].at.getTime()];
  const x = (at) => LEFT + (last === first ? 0.5 : (at - first) / (last - first)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - ((value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const newest = sorted[sorted.length - 1];
  const sentence = `${caption}: ${sorted.length} points, lowest ${write(Math.min(...values))}, highest ${write(Math.max(...values))}, newest ${write(newest.value)}.`;
  const day = (time) => new Date(time).toLocaleString([], {month: "short", day: "numeric", hour: "2-digit", minute: "2-digit"});
  const picture = svg("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": sentence},
    marks.map((mark) => [
      svg("line", {class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(mark), y2: y(mark)}),
      svg("text", {x: LEFT - 6, y: y(mark) + 4, "text-anchor": "end"}, write(mark)),
    ]),
    svg("text", {x: LEFT, y: HEIGHT - 6}, day(first)),
    last !== first && svg("text", {x: WIDTH - RIGHT, y: HEIGHT - 6, "text-anchor": "end"}, day(last)),
    svg("polyline", {class: "series", points: sorted.map((point) => `${x(point.at)},${y(point.value)}`).join(" ")}),
    sorted.map((point) =>
      svg("circle", {class: `dot ${point.tone ?? ""}`, cx: x(point.at), cy: y(point.value), r: 3.5},
        svg("title", {}, `${point.name}: ${write(point.value)}`))));
  return el("figure", {}, el("figcaption", {}, `${caption} · newest ${write(newest.value)}`), picture);
}
