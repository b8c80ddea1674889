// What every part of the phone needs: its place in the document, its words, its call, and how it says
// what goes wrong. Loaded once, under this name only, so that there is one call for all parts.
import { PhoneCore } from "./phone-core.js";
import { MicrophoneError } from "./sound.js";
import { announce, message } from "./shell.js";

export { keep, recall } from "./memory.js";

export const root = /** @type {HTMLElement} */ (document.getElementById("phone"));
export const texts = JSON.parse(document.getElementById("phone-texts")?.textContent ?? "{}");
/** @type {Record<string, string>} */
export const say = texts.say;
export const core = new PhoneCore();

/** @param {string} name */
export const part = (name) =>
  /** @type {HTMLElement} */ (root.querySelector(`[data-phone="${name}"]`));

/** One of the controls of a call that are always there. @param {string} name */
export const control = (name) =>
  /** @type {HTMLElement} */ (root.querySelector(`.call-controls [data-call="${name}"]`));

/** @param {string} name @param {boolean} on */
export function press(name, on) {
  control(name).setAttribute("aria-pressed", String(on));
}

/** @param {unknown} error */
function complain(error) {
  const said = error instanceof Error ? error.message : "";
  message(said || say.failed, "error");
}

/** Do something, and say so where it did not work. @param {() => Promise<unknown>} doing */
export async function trying(doing) {
  try {
    await doing();
  } catch (error) {
    if (error instanceof MicrophoneError) showNotice(say[`mic_${error.code}`], ["microphone", "sentences"]);
    else complain(error);
  }
}

/** A line above everything, with what can be done. @param {string} text @param {string[]} acts */
export function showNotice(text, acts) {
  const panel = part("notice-panel");
  const isNew = text !== "" && panel.hidden;
  panel.hidden = text === "";
  part("notice-text").textContent = text;
  if (isNew) {
    panel.scrollIntoView({ block: "nearest" });
    announce(text);
  }
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (panel.querySelectorAll("[data-call]"))) {
    button.hidden = !acts.includes(button.dataset.call ?? "");
  }
}

/** Whom a call is with. @param {any} state */
export function nameOf(state) {
  return state.name || core.contacts.find((each) => each.to === state.to)?.name || state.to;
}

/** Minutes and seconds. @param {number} ms */
export function clock(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return `${String(Math.floor(seconds / 60)).padStart(2, "0")}:${String(seconds % 60).padStart(2, "0")}`;
}
