// Somebody called beside the call: spoken with alone, brought in, or given the call.
import { core, part, say, texts } from "./phone-page.js";
import { announce } from "./shell.js";

/** What the call beside says of itself, by how far it has come. @type {Record<string, string>} */
const WORDS = {
  calling: say.beside_calling,
  ringing: say.beside_ringing,
  talking: say.beside_talking,
  transferring: say.beside_transferring,
  over: say.beside_over,
};

let told = "";

/** @param {any} state */
export function showBeside(state) {
  const found = state.consultation;
  const hadFocus = part("beside-part").contains(document.activeElement);
  part("beside-part").hidden = !(state.consults || state.browser) || !state.answered || found !== null;
  part("beside-number").hidden = !state.consults;
  part("beside").hidden = found === null;
  if (found === null) {
    told = "";
    return;
  }
  const isTalking = found.stage === "talking";
  const people = state.parties.filter((/** @type {any} */ each) => each.role === "contact" && each.present);
  offer("bring-in", isTalking);
  offer("hand-over", isTalking && people.length < 2);
  offer("back", found.stage !== "transferring");
  if (hadFocus) button("back").focus();
  const words = wordsOf(found);
  if (words === told) return;
  told = words;
  part("beside-text").textContent = words;
  announce(words);
}

/** @param {string} act @param {boolean} on */
function offer(act, on) {
  button(act).hidden = !on;
}

/** @param {string} act */
function button(act) {
  return /** @type {HTMLElement} */ (part("beside").querySelector(`[data-call="${act}"]`));
}

/** @param {any} found */
function wordsOf(found) {
  const why = texts.ends[found.cause] ?? "";
  const who = found.name || found.number;
  const words = found.stage === "talking" && why ? say.beside_kept : WORDS[found.stage];
  return words.replace("{who}", who).replace("{why}", why);
}

/** Ask for something with the typed number, and forget it where that went well. @param {string} path */
async function withNumber(path) {
  const to = /** @type {HTMLInputElement} */ (part("beside-to"));
  await core.act(path, "POST", { number: to.value });
  to.value = "";
}

/** @type {Record<string, () => Promise<unknown>>} */
export const BESIDE_ACTS = {
  consult: () => withNumber("/consultation"),
  transfer: () => withNumber("/transfer"),
  "bring-in": () => core.act("/consultation/join"),
  "hand-over": () => core.act("/transfer", "POST", {}),
  back: () => core.act("/consultation", "DELETE"),
};
