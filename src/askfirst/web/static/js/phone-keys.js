// Keys of the phone, each with a modifier; they can be switched off.
import { keep, part, recall, trying } from "./phone-page.js";

const KEYS = "askfirst-keys"; // what this browser remembers of whether they are used

/** Obey these keys from now on. @param {Record<string, () => unknown>} shortcuts */
export function useKeys(shortcuts) {
  const keys = /** @type {HTMLInputElement} */ (part("keys"));
  keys.checked = recall(KEYS) !== "off";
  keys.addEventListener("change", () => keep(KEYS, keys.checked ? "on" : "off"));
  document.addEventListener("keydown", (event) => {
    if (!event.altKey || event.ctrlKey || event.metaKey || !keys.checked) return;
    const shortcut = shortcuts[`${event.shiftKey ? "Shift+" : ""}${event.code}`];
    if (!shortcut) return;
    event.preventDefault();
    void trying(async () => shortcut());
  });
}
