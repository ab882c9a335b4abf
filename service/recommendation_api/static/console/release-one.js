// One release: how far its lists were by when, and what users did with its games day by day.

import {lineChart} from "./chart.js";
import {el} from "./dom.js";
import {number, ratio, seconds, when} from "./format.js";
import {titleOf} from "./known.js";
import {card, game, state, table, tiles} from "./parts.js";
import {timeline} from "./timeline.js";

const DAY_MS = 86_400_000;

/**
 * Draw how the lists of a drop's users were remade.
 * @param reach what `GET /drops/{uid}/reach` answers
 */
export function reachChart(caption, reach) {
  const points = reach.points.map((point) => ({at: new Date(point.at), value: point.users, name: point.at}));
  if (points.length < 2) return el("figure", {"data-key": caption}, el("figcaption", {}, caption), el("p", {class: "soft"}, reach.regeneration_id ? "No list is remade yet, or it was done by a version that kept no times." : "Its lists were not remade: reads place its games."));
  const began = points[0].at.getTime(), all = [points[0], points.at(-1)].map(({at}) => ({at, value: reach.users_targeted}));
  const elapsed = (time) => seconds((time - began) / 1000);
  for (const point of points) point.name = `after ${elapsed(point.at.getTime())}`;
  return lineChart(caption, points, number, [["all whom it is for", all]], {own: "users with new lists", writeAt: elapsed, axis: "since it began"});
}

export function release(drop, phases, one, reach, found, again) {
  const done = drop.feedback;
  return [
    el("p", {}, el("a", {href: "#/releases"}, "All releases")),
    card(drop.name,
      el("p", {}, state(drop.state), `, ${drop.placement.slots} places from place ${drop.placement.first_position}`, drop.holdout && `, ${drop.holdout.percent} % of users held back to measure it`),
      el("p", {class: "row"}, drop.games.map((id) => game(id, titleOf(id)))),
      tiles([
        ["Lists remade", one ? number(one.users_regenerated) : "none", one ? `of ${number(one.users_targeted)} users` : "reads place its games"],
        ["Release coverage", ratio(one?.release_coverage), "of its games stand in a list"],
        ["Clicks", number(done.clicked), null],
        ["Wishlisted", number(done.wishlisted), null],
        ["Purchases", number(done.purchased), done.clicked ? `${ratio(done.purchased / done.clicked)} of clicks` : null],
        ["Dismissed", number(done.dismissed), null],
      ]),
      timeline([{...phases, label: "Phases"}]),
      el("p", {class: "row after"}, el("a", {class: "button", href: again}, "Preview and YAML of a release like it"))),
    lift(drop, found),
    card("Over time",
      el("div", {class: "charts"},
        reachChart("Reach: lists remade", reach),
        byDay("Clicks a day", drop, reach.days, "clicked"),
        byDay("Purchases a day", drop, reach.days, "purchased")),
      table("Days", [
        ["Day, UTC", (row) => row.day],
        ["Clicks", (row) => number(row.clicked), {number: true}],
        ["Wishlisted", (row) => number(row.wishlisted), {number: true}],
        ["Purchases", (row) => number(row.purchased), {number: true}],
        ["Dismissed", (row) => number(row.dismissed), {number: true}],
      ], reach.days, {key: (row) => row.day, none: "No user did anything with its games in these places yet (feedback with the source `drop`)."})),
  ];
}

const VERDICTS = {
  Collecting: "more users may tell", Significant: "the interval leaves out no difference", NoEffect: "no effect worth finding", TooFewUsers: "too few users came to tell",
};

/** What its places earn, against users who are held back from them; it is counted when it is asked for. */
export function lift(drop, found) {
  if (!drop.holdout) return null;
  const title = "What its places earn";
  if (!found) return card(title, el("p", {}, `${drop.holdout.percent} % of the users have no place of it, so that both groups can be compared.`), el("p", {}, el("a", {class: "button", href: `#/releases/${encodeURIComponent(drop.uid)}?lift=purchased`}, "Compare what they bought")));
  if (found.refused) return card(title, el("p", {class: "bad"}, found.refused));
  const group = ({mean, counted}) => [number(mean), `${number(counted)} users whose ${found.window_days} days are over`];
  return card(title,
    found.sample_ratio.mismatch && el("p", {class: "bad"}, `Users of one group are missing (p = ${number(found.sample_ratio.p_value)}): the difference tells nothing until it is known why.`),
    tiles([
      ["Bought a user, with places", ...group(found.placed)],
      ["Bought a user, held back", ...group(found.held_back)],
      ["Difference", number(found.difference), found.low == null ? "no interval yet" : `95 % interval ${number(found.low)} to ${number(found.high)}`],
      ["Verdict", state(found.state), found.is_final ? `final: ${VERDICTS[found.state]}` : VERDICTS[found.state]],
    ]),
    el("p", {class: "soft"}, "Purchases of its games, by users who were shown anything since the release. Counted until ", when(found.counted_until), found.is_final ? "." : [", at last on ", when(found.last_look_at), "."]));
}

/** Draw a count for each day from the release to now or its end; days without any stand at 0. */
function byDay(caption, drop, days, action) {
  const counted = new Map(days.map((row) => [row.day, row[action]]));
  const last = Math.min(Date.now(), Date.parse(drop.ended_at ?? drop.ends_at), Date.parse(drop.ends_at));
  const points = [];
  for (let at = Math.floor(Date.parse(drop.release_time) / DAY_MS) * DAY_MS; at <= last; at += DAY_MS) {
    const day = new Date(at).toISOString().slice(0, 10);
    points.push({at: new Date(at), value: counted.get(day) ?? 0, name: day});
  }
  return lineChart(caption, points, number);
}
