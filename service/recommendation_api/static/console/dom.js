// Makes nodes, and brings a tree that stands on the page up to date. Data only ever becomes text: nothing parses HTML.

/** Make an element; strings among the children become text nodes; null, undefined and false are left out. */
export function el(tag, attributes = {}, ...children) {
  return put(dress(document.createElement(tag), attributes), ...children);
}

/** Make an element of a picture. */
export function svg(tag, attributes = {}, ...children) {
  return put(dress(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes), ...children);
}

function dress(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) listen(node, name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, String(value));
  }
  return node;
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
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, "\ufffd");
}

// Handlers hang on their node, so that bringing a node up to date takes the newest ones over.
const HANDLERS = Symbol("handlers");

function listen(node, type, handler) {
  node[HANDLERS] ??= {};
  if (!(type in node[HANDLERS])) node.addEventListener(type, (event) => node[HANDLERS][type]?.(event));
  node[HANDLERS][type] = handler;
}

/**
 * Make the children of a node those that are wanted, and change only what differs: what has the focus keeps it, with
 * what is selected and typed in it; what was scrolled or opened stays so. Nodes with the same `data-key` are the same.
 */
export function patch(node, wanted) {
  const keyed = new Map([...node.children].filter((child) => child.dataset?.key).map((child) => [child.dataset.key, child]));
  let place = node.firstChild;
  for (const next of wanted) {
    const key = next.dataset?.key;
    const same = key ? keyed.get(key) : place && !place.dataset?.key && isAlike(place, next) ? place : null;
    if (!same || !isAlike(same, next)) {
      node.insertBefore(next, place);
      continue;
    }
    if (same === place) place = place.nextSibling;
    else node.insertBefore(same, place);
    update(same, next);
  }
  while (place) {
    const following = place.nextSibling;
    place.remove();
    place = following;
  }
}

const isAlike = (one, two) => one.nodeType === two.nodeType && one.nodeName === two.nodeName;

function update(node, next) {
  if (node.nodeType === Node.TEXT_NODE) {
    if (node.data !== next.data) node.data = next.data;
    return;
  }
  for (const {name} of [...node.attributes]) {
    if (!next.hasAttribute(name) && !(name === "open" && node.nodeName === "DETAILS")) node.removeAttribute(name);
  }
  for (const {name, value} of [...next.attributes]) if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  for (const [type, handler] of Object.entries(next[HANDLERS] ?? {})) listen(node, type, handler);
  if (!node.hasAttribute("data-own")) patch(node, [...next.childNodes]); // else what is in it is its own affair
}
