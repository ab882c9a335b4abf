// What is known of games by their ids: titles, and pictures where a setting allows their hosts. Kept until the key changes.

import {ask, softly} from "./api.js";
import {el} from "./dom.js";

const LONGEST = 4000; // of an address, in characters
const known = new Map();
const broken = new Set();
let hosts = null;

addEventListener("key", () => { known.clear(); hosts = null; });

/** Find out what is known of games; without a key that may, nothing. Afterwards `titleOf` and `pictureOf` tell. */
export async function lookUp(ids) {
  const unknown = [...new Set(ids)].filter((id) => !known.has(id));
  for (let part = []; unknown.length; part = []) {
    for (let length = 0; unknown.length && part.length < 100 && length < LONGEST; length += encodeURIComponent(part.at(-1)).length + 9) part.push(unknown.shift());
    const found = await ask("GET", ["games"], {game_id: part}).catch(softly(null));
    if (!found) return;
    for (const game of found.games) known.set(game.game_id, game);
  }
}

export const titleOf = (id) => known.get(id)?.title ?? null;

/** Find out which hosts pictures may come from; the page's own policy lets in no other. */
export async function lookUpHosts() {
  hosts ??= (await ask("GET", ["settings"]).catch(softly(null)))?.settings.RECOMMENDATION_CONSOLE_IMAGES?.value?.split(" ") ?? [];
  return hosts.length > 0;
}

/** The picture of a game, if there is one that may be shown and could be loaded. */
export function pictureOf(id) {
  const url = known.get(id)?.image_url;
  if (!url || broken.has(url) || !hosts?.includes(new URL(url).origin)) return null;
  const forget = (event) => { broken.add(url); event.target.remove(); };
  return el("img", {class: "picture", src: url, alt: "", width: 92, height: 43, loading: "lazy", decoding: "async", referrerpolicy: "no-referrer", onerror: forget});
}
