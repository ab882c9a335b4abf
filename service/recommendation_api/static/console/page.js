// Creates nodes. Data only ever becomes text: nothing here parses HTML.

/** Make an element; strings among the children become text nodes, null and false are left out. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, String(value));
  }
  return put(node, ...children);
}

/** Append children to a node. */
export function put(node, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child == null || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(printable(String(child))));
  }
  return node;
}

// A title may hold characters that turn the text around it (such as U+202E) or are invisible.
function printable(text) {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, "\ufffd");
}

/** Make a table: columns are [name, cell of a row, is a number]. On a phone each row becomes a small card. */
export function table(caption, columns, rows, whenEmpty) {
  if (!rows.length) return el("p", {class: "soft"}, whenEmpty);
  const head = columns.map(([name, , isNumber]) => el("th", {scope: "col", class: isNumber && "number"}, name));
  const body = rows.map((row) =>
    el("tr", {}, columns.map(([name, cell, isNumber]) => el("td", {"data-name": name, class: isNumber && "number"}, el("div", {}, cell(row))))));
  return el("div", {class: "scroll"},
    el("table", {class: "stack", "aria-label": caption}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, body)));
}

/** Make a row of figures: [name, value]. */
export const tiles = (pairs) =>
  el("div", {class: "tiles"}, pairs.map(([name, value]) => el("div", {class: "tile"}, el("span", {}, name), el("strong", {}, value))));

const TONES = {succeeded: "good", live: "good", standing: "good", rejected: "warn", queued: "warn", running: "warn", scheduled: "warn", failed: "bad"};

/** Write a state with its tone; the word alone says it too. */
export const state = (word) => el("span", {class: `state ${TONES[word] ?? ""}`}, word);

export const when = (text) => (text ? el("time", {datetime: text, title: text}, new Date(text).toLocaleString([], {dateStyle: "medium", timeStyle: "short"})) : "–");
export const ratio = (value) => (value == null ? "–" : `${(100 * value).toFixed(1)} %`);
export const number = (value) => (value == null ? "–" : Number(value).toLocaleString("en", {maximumFractionDigits: 4}));
export const seconds = (value) => {
  if (value == null) return "–";
  return value < 60 ? `${value.toFixed(1)} s` : `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
};
