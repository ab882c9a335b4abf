// How values are written: the same everywhere, numbers so that they can be compared down a column.

import {el} from "./dom.js";

export const NONE = "–";

export const number = (value, digits = 4) =>
  value == null ? NONE : Number(value).toLocaleString("en", {maximumFractionDigits: digits});

/** Write a number that may be very small, such as a part of a score. */
export const part = (value) =>
  value == null ? NONE : Number(value).toLocaleString("en", {maximumSignificantDigits: 3, maximumFractionDigits: 12});

const fixed = (value, digits) =>
  value == null ? NONE : Number(value).toLocaleString("en", {minimumFractionDigits: digits, maximumFractionDigits: digits});

export const ratio = (value, digits = 1) => (value == null ? NONE : `${fixed(100 * value, digits)} %`);

export function change(value, before) {
  if (value == null || !before) return NONE;
  const part = value / before - 1;
  return `${part < 0 ? "−" : "+"}${fixed(100 * Math.abs(part), 1)} %`;
}

export function seconds(value) {
  if (value == null) return NONE;
  if (value > 0 && value < 1) return `${number(1000 * value, 1)} ms`;
  if (value < 59.95) return `${number(value, 1)} s`;
  const whole = Math.round(value);
  if (whole < 5400) return `${Math.floor(whole / 60)} min${whole % 60 ? ` ${whole % 60} s` : ""}`;
  return value < 172800 ? `${number(value / 3600, 1)} h` : `${number(value / 86400, 1)} days`;
}

/** The same in one word and its unit, for an axis. */
export const brief = (value) => (value < 60 ? seconds(value) : value < 5400 ? `${number(value / 60, 1)} min` : seconds(value));

/** Write a time in the reader's own zone; UTC shows on hover and to machines. */
export function when(text) {
  if (!text) return NONE;
  return el("time", {datetime: text, title: utc(text)}, new Date(text).toLocaleString([], {dateStyle: "medium", timeStyle: "short"}));
}

export const utc = (text) => `${new Date(text).toISOString().slice(0, 19).replace("T", " ")} UTC`;

export const clock = (moment) => moment.toLocaleTimeString([], {hour: "2-digit", minute: "2-digit", second: "2-digit"});

/** Write how long ago something was. */
export function ago(text) {
  if (!text) return NONE;
  const passed = (Date.now() - new Date(text)) / 1000;
  const written = passed < 90 ? `${Math.max(0, Math.round(passed))} s` : passed < 5400 ? `${Math.round(passed / 60)} min`
    : passed < 172800 ? `${Math.round(passed / 3600)} h` : `${Math.round(passed / 86400)} days`;
  return el("time", {datetime: text, title: `${new Date(text).toLocaleString()} (${utc(text)})`}, passed < 0 ? "soon" : `${written} ago`);
}
