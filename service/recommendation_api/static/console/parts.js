// The parts that views are made of. What they look like is written down in the view "Design".

import {ask as request, softly} from "./api.js";
import {el, patch, put} from "./dom.js";
import {part as small} from "./format.js";

/** A card with a heading. */
export const card = (title, ...children) =>
  el("section", {class: "card", "data-key": `card ${title}`}, el("h2", {}, title), children);

/** Figures in a row: [name, value, what stands below it]. */
export const tiles = (figures) =>
  el("dl", {class: `tiles n${figures.length}`}, figures.map(([name, value, below]) =>
    el("div", {class: "tile", "data-key": name}, el("dt", {}, name), el("dd", {class: "figure"}, value), below != null && el("dd", {class: "soft"}, below))));

const TONES = {
  succeeded: "good", live: "good", standing: "good", yes: "good", passed: "good", Significant: "good",
  rejected: "warn", queued: "warn", running: "warn", stopping: "warn", stopped: "warn", scheduled: "warn", skipped: "warn", Collecting: "warn",
  failed: "bad", lost: "bad", mismatch: "bad",
};

/** A state with its colour; the word alone says it too. */
export const state = (word, tone = TONES[word]) => el("span", {class: `state ${tone ?? ""}`}, word);

/** Where there is nothing: what it would show, and the next thing to do. */
export const empty = (text, command) => el("div", {class: "empty"}, el("p", {}, text), command && el("pre", {}, command));

/** A game: its title first, its id below; before them its picture, where there is one that may be shown. */
export const game = (id, title, picture) =>
  el("span", {class: "game"}, picture, el("span", {class: "names"}, el("a", {href: `#/games/${encodeURIComponent(id)}`}, title || id), title && title !== id && el("span", {class: "id"}, id)));

/** A part of a whole as a bar with its words. */
export const bar = (value, most, label, words) =>
  el("span", {class: "bar"}, el("progress", {max: Math.max(most, 1e-9), value: Math.max(0, value), "aria-label": label}), el("span", {}, words));

/**
 * A table that can be downloaded. On a phone each row becomes a small card.
 * @param name what it lists, also the name of its file
 * @param columns [heading, cell of a row, {number: it is one, plain: the cell as plain text for the file, file: only there, wide: not on a phone, long: text whose words may be long}]
 * @param rows what it lists
 * @param options key: what tells a row from others; none: what stands there if there is none
 */
export function table(name, columns, rows, {key, none = "Nothing here yet."} = {}) {
  if (!rows.length) return none instanceof Node ? none : empty(none);
  const shown = columns.filter(([, , how = {}]) => !how.file);
  const head = shown.map(([title, , how = {}]) => el("th", {scope: "col", class: how.number && "number"}, title));
  const body = rows.map((row, place) => el("tr", {"data-key": key ? `row ${key(row)}` : `row ${place}`},
    shown.map(([title, cell, how = {}]) => el("td", {"data-name": title, class: ["number", "wide", "long"].filter((name) => how[name]).join(" ")}, el("div", {}, cell(row, place))))));
  return el("div", {class: "scroll", role: "region", "aria-label": name, tabindex: "0"},
    el("table", {class: "stack", "aria-label": name}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, body)),
    el("p", {class: "after"}, el("button", {type: "button", class: "quiet", onclick: () => download(name, columns, rows)}, `Download ${name.toLowerCase()} (CSV)`)));
}

function download(name, columns, rows) {
  const named = columns.filter(([title]) => title);
  const lines = [named.map(([title]) => title), ...rows.map((row, place) => named.map(([, cell, how = {}]) => plain((how.plain ?? cell)(row, place))))];
  const text = lines.map((line) => line.map(quoted).join(",")).join("\r\n");
  const link = el("a", {download: `${name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}.csv`});
  link.href = URL.createObjectURL(new Blob([text], {type: "text/csv"}));
  link.click();
  URL.revokeObjectURL(link.href);
}

const plain = (cell) => {
  const holder = put(document.createElement("div"), cell);
  return holder.querySelector("time")?.getAttribute("datetime") ?? holder.textContent;
};

// A spreadsheet takes a cell that begins so for a formula.
const quoted = (text) => `"${(/^[=+@\t\r-]/.test(text) && Number.isNaN(Number(text)) ? "'" : "") + text.replaceAll('"', '""')}"`;

/** A form with one field: `go` gets what was typed. */
export function ask(id, label, value, button, go, more = {}) {
  return el("form", {id: `${id}-form`, class: "ask", "data-key": `ask ${id}`, onsubmit: (event) => { event.preventDefault(); go(document.getElementById(id).value.trim()); }},
    el("label", {for: id}, label),
    el("input", {id, value, autocomplete: "off", spellcheck: "false", maxlength: 128, ...more}),
    el("button", {type: "submit"}, button));
}

/** A field for a game: it offers games whose title or id begins with what is typed. Needs a key with scope admin for that. */
export function gameField(id, value, more = {}) {
  const options = el("datalist", {id: `${id}-offered`, "data-own": true, "data-key": `offered ${id}`});
  let waiting = 0;
  const offer = (event) => {
    const list = document.getElementById(`${id}-offered`), text = event.target.value.split(",").pop().trim(), before = event.target.value.slice(0, event.target.value.lastIndexOf(",") + 1);
    clearTimeout(waiting);
    if (text) waiting = setTimeout(async () => {
      const found = await request("GET", ["games"], {query: text, limit: 8}).catch(softly(null)).catch(() => null);
      if (found) patch(list, found.games.map((one) => el("option", {value: before + one.game_id}, one.title ?? "")));
    }, 200);
  };
  return [el("input", {id, value, list: `${id}-offered`, autocomplete: "off", spellcheck: "false", maxlength: 128, oninput: offer, ...more}), options];
}

/** Contributions as bars that sum up to the score. */
export function contributions(parts, score) {
  const most = Math.max(1e-9, ...parts.map((part) => Math.abs(part.contribution)));
  return el("div", {class: "contributions"},
    parts.map((part) => el("div", {class: "part"}, part.game_id === null ? el("span", {}, part.title) : game(part.game_id, part.title), bar(Math.abs(part.contribution), most, `adds ${small(part.contribution)}`, `${part.contribution < 0 ? "−" : "+"}${small(Math.abs(part.contribution))}`))),
    score != null && el("p", {class: "sum"}, el("span", {}, "Score, the sum of all"), el("strong", {}, small(score))));
}

/** Ask before something that others notice. */
export function confirmed(title, text, yes) {
  const dialog = document.getElementById("confirm");
  document.getElementById("confirm-title").textContent = title;
  document.getElementById("confirm-text").textContent = text;
  document.getElementById("confirm-yes").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), {once: true}));
}
