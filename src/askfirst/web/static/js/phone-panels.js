// The panels of a call that goes on: what is owed before a recording, the recording itself, and the
// sentences that can be said. Each shows a state of the call; none decides or changes anything.
import { kindOf, offer, wordsOf } from "./phone-consent.js";
import { clock, core, part, say } from "./phone-page.js";
import { firstKnown, placeName } from "./phone-people.js";

/**
 * What a window remembers of its call besides the state.
 * @typedef {{isLaid: boolean, isChanging: boolean, newPlace: string, pausing: boolean, objecting: boolean}} Own
 */

/** @param {any} state @param {Own} own */
export function showConsent(state, own) {
  const panel = part("consent");
  const kind = kindOf(state, own);
  panel.hidden = kind === "";
  if (!kind) return;
  const code = firstKnown(state.decision.primary);
  const words = wordsOf(kind, state, say, (code && placeName(code)) || say.unknown, own);
  if (part("rule").textContent !== words.title) part("rule").textContent = words.title;
  part("rule-text").textContent = words.text;
  if (kind === "disagreed") leadTo("/me/agreement", say.agreement);
  else leadTo(code ? `/rules/${code}` : "/rules", say.why);
  part("why").hidden = kind === "private"; // it is the agent's own wish
  const isAsked = ["ask", "key", "tell", "changed"].includes(kind);
  part("notice").textContent = isAsked ? state.decision.say.text : "";
  part("notice").hidden = !isAsked;
  part("notice").lang = state.decision.say.language;
  part("key-needed").hidden = kind !== "key";
  const isPlayed = ["ask", "key", "tell"].includes(kind);
  part("no-prompt").hidden = !isPlayed || !state.no_prompt;
  offer(panel, kind, state.no_prompt);
}

/**
 * Let the link lead to an address; htmx reads it once, so another one needs another link.
 * @param {string} address @param {string} text
 */
function leadTo(address, text) {
  const link = part("why");
  if (link.getAttribute("href") === address) return;
  const next = /** @type {HTMLElement} */ (link.cloneNode(true));
  next.setAttribute("href", address);
  next.textContent = text;
  const hadFocus = document.activeElement === link;
  link.replaceWith(next);
  globalThis.htmx?.process(next);
  if (hadFocus) next.focus();
}

/** @param {any} state @param {Own} own */
export function showRecording(state, own) {
  const hold = state.holds.find((/** @type {string} */ each) => each.startsWith("hold_"));
  const isRecording = state.light === "recording";
  part("recording").hidden = !isRecording && !hold;
  if (isRecording) {
    part("recording-since").textContent = say.since.replace("{time}", clock(state.recording_since_ms));
  }
  part("recording-acts").hidden = !isRecording || own.pausing || own.objecting;
  part("pause-reasons").hidden = !isRecording || !own.pausing;
  part("objection").hidden = !isRecording || !own.objecting;
  part("paused").hidden = !hold;
}

/** Offer to make the call private; what was recorded may be kept where something was. @param {any} state */
export function showPrivate(state) {
  const place = /** @type {HTMLDetailsElement} */ (part("make-private"));
  if (place.hidden && state.may_be_private) place.open = false;
  place.hidden = !state.may_be_private;
  part("private-kept").hidden = !state.answered || !state.wanted;
}

/** @param {{id: string, text: string}[]} offered */
export function showSentences(offered) {
  const place = part("sentences");
  part("saying").hidden = offered.length === 0 || core.state.browser;
  const shown = [...place.children].map((each) => each.getAttribute("data-sentence")).join();
  if (shown === offered.map((each) => each.id).join()) return; // keeps the focus where it is
  place.replaceChildren(
    ...offered.map((each) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button";
      button.dataset.sentence = each.id;
      button.textContent = each.text;
      return button;
    }),
  );
}
