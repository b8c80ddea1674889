// A recording that started by itself can be taken back for a moment: it is stopped, and what was kept
// of it is erased. Whoever is at the button, by focus or pointer, is given the time that they need.
import { part, root, say } from "./phone-page.js";
import { announce } from "./shell.js";

/** The call and opening for which it was offered: once, whatever else changes meanwhile. */
let offered = "";
let closing = 0;
let forMs = 0;

/** @param {any} state */
export function offerUndo(state) {
  if (state.light !== "recording" || !state.by_itself) {
    closeUndo();
    return;
  }
  const opening = `${state.call} ${state.recording_since_ms}`;
  if (opening === offered || state.at_ms - state.recording_since_ms >= state.undo_ms) return;
  offered = opening;
  forMs = state.undo_ms;
  root.classList.remove("is-folded"); // a strip has no room for it
  root.querySelector(".dock-toggle-fold")?.setAttribute("aria-expanded", "true");
  part("undo").hidden = false;
  announce(say.undo.replace("{s}", String(forMs / 1000)));
  closeLater();
}

export function closeUndo() {
  clearTimeout(closing);
  part("undo").hidden = true;
}

/** What takes it back, null when it is not offered. @returns {HTMLElement | null} */
export function undoButton() {
  return part("undo").hidden ? null : part("undo").querySelector("button");
}

function closeLater() {
  clearTimeout(closing);
  closing = setTimeout(() => {
    if (part("undo").matches(":focus-within, :hover")) return;
    closeUndo();
    announce(say.undo_over);
  }, forMs);
}

// Once left, the whole time counts again.
for (const name of ["focusout", "pointerleave"]) {
  part("undo").addEventListener(name, () => !part("undo").hidden && closeLater());
}
