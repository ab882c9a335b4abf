// One person's data: read all of it, or erase it, with a receipt.

import {Refused, ask} from "./api.js";
import {el} from "./dom.js";
import {number, when} from "./format.js";
import {ask as field, card, confirmed, table} from "./parts.js";

export const every = 0;

let receipt = null;

export async function load({id}) {
  if (!id) return null;
  try {
    return await ask("GET", ["user", id, "export"]);
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return null;
    throw error;
  }
}

export function draw(kept, {id}, act) {
  const search = field("person", "User id", id ?? "", "Show what is kept", (user) => { receipt = null; location.hash = `#/people/${encodeURIComponent(user)}`; }, {required: true});
  if (!id) return [search, el("p", {class: "soft"}, "Everything that is kept of a person can be read, downloaded and erased here. Needs a key with scope admin.")];
  // Variants of experiments are a hash of the id: told in an export, and kept nowhere.
  const kinds = Object.entries(kept ?? {}).filter(([name, rows]) => Array.isArray(rows) && name !== "experiments");
  const rows = kinds.reduce((sum, [, found]) => sum + found.length, 0);
  return [
    search,
    receipt?.user === id && card("Receipt", el("p", {}, "Erased on ", when(receipt.at), ". Late retries of what happened before are refused."), table("Receipt", [["From", ([name]) => name.replaceAll("_", " ")], ["Rows", ([, count]) => number(count), {number: true}]], Object.entries(receipt.erased))),
    card(`Kept of ${id}`,
      kept?.erased_at && el("p", {class: "well erased"}, "This person was erased: nothing counts that happened before ", when(kept.erased_at), "."),
      kept?.merged_into && el("p", {class: "well"}, "This visitor was merged into ", el("a", {href: `#/people/${encodeURIComponent(kept.merged_into)}`}, kept.merged_into), "."),
      rows === 0 ? el("p", {}, kept?.erased_at ? "Nothing is kept of this person." : "Nothing is kept of this person: never heard of, or erased long ago.") : table("Kept", [["What", ([name]) => name.replaceAll("_", " ")], ["Rows", ([, found]) => number(found.length), {number: true}]], kinds, {key: ([name]) => name}),
      el("p", {class: "row"},
        el("button", {type: "button", onclick: () => save(id, kept), disabled: rows === 0}, "Download everything (JSON)"),
        el("a", {class: "button", href: `#/lists/${encodeURIComponent(id)}`}, "Show the list"),
        el("button", {type: "button", class: "bad", id: "erase", disabled: rows === 0, onclick: () => erase(id, act)}, "Erase this person"))),
    rows > 0 && el("details", {"data-key": "raw"}, el("summary", {}, "As the service tells it"), el("pre", {}, JSON.stringify(kept, null, 2))),
  ];
}

function save(id, kept) {
  const link = el("a", {download: `export-${id}.json`});
  link.href = URL.createObjectURL(new Blob([JSON.stringify(kept, null, 2)], {type: "application/json"}));
  link.click();
  URL.revokeObjectURL(link.href);
}

async function erase(id, act) {
  if (!(await confirmed(`Erase ${id}?`, "Everything that is kept of this person goes at once and cannot be brought back. Events of before that come late are refused.", "Erase for good"))) return;
  await act(async () => {
    const {erased} = await ask("DELETE", ["user", id]);
    receipt = {user: id, erased, at: new Date().toISOString()};
    return `${id} is erased.`;
  });
}
