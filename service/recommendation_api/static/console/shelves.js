// A user's front page: rows of games, each with a title and a reason.

import {el} from "./dom.js";
import {part} from "./format.js";
import {pictureOf} from "./known.js";
import {card, empty, game} from "./parts.js";

export function frontPage(id, front) {
  if (!front.rows.length) return card(`Front page of ${id}`, empty("No row: the catalogue is empty, or the user owns all of it."));
  return card(`Front page of ${id}`,
    el("p", {class: "soft"}, front.personal ? `Personal, by model ${front.model_version}; no game stands twice.` : "Not personal: what is popular, and what is newest."),
    front.rows.map((row, place) => el("section", {class: "shelf", "data-key": `shelf ${place}`},
      el("h3", {}, row.title),
      row.reason.text !== row.title && el("p", {class: "soft"}, row.reason.text, row.contribution != null && ` (adds ${part(row.contribution)})`),
      el("ol", {}, row.items.map((item) => el("li", {"data-key": item.game_id}, game(item.game_id, item.title, pictureOf(item.game_id))))))));
}
