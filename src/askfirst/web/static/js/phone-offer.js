// A call that is handed to a colleague by name: whom it could ring at, and what comes of that.
import { core, part, say, trying } from "./phone-page.js";
import { announce, message } from "./shell.js";

let wasRinging = false;

/** @param {any} state */
export function showOffer(state) {
  const found = state.offer;
  const isRinging = found?.stage === "ringing";
  part("colleague-part").hidden = !state.browser || isRinging;
  part("offer").hidden = !isRinging;
  if (isRinging === wasRinging) return;
  wasRinging = isRinging;
  if (!isRinging) {
    if (found?.stage === "not-taken") message(say.offer_kept.replace("{who}", found.name), "warning");
    return;
  }
  part("offer-text").textContent = say.offer_rings.replace("{who}", found.name);
  announce(part("offer-text").textContent ?? "");
}

/** No call is offered any more. */
export function endOffer() {
  wasRinging = false;
  part("offer").hidden = true;
}

/** Ask who is there; whoever cannot take a call now is shown and cannot be chosen. */
async function learnColleagues() {
  const { colleagues } = await core.ask("/phone/colleagues");
  const options = colleagues.map((/** @type {any} */ each) => {
    const words = each.available ? each.name : say.offer_busy.replace("{who}", each.name);
    const option = new Option(words, each.user);
    option.disabled = !each.available;
    return option;
  });
  const list = /** @type {HTMLSelectElement} */ (part("colleague"));
  list.replaceChildren(...options.sort((/** @type {any} */ one, /** @type {any} */ other) => one.disabled - other.disabled));
  const isNobody = options.every((/** @type {HTMLOptionElement} */ each) => each.disabled);
  part("colleague-help").textContent = isNobody ? say.offer_nobody : say.offer_help;
}

part("beside-part").addEventListener("toggle", () => {
  const details = /** @type {HTMLDetailsElement} */ (part("beside-part"));
  if (details.open && !part("colleague-part").hidden) void trying(learnColleagues);
});

/** @type {Record<string, () => Promise<unknown>>} */
export const OFFER_ACTS = {
  offer: async () => {
    const { value: user } = /** @type {HTMLSelectElement} */ (part("colleague"));
    if (!user) throw new Error(say.offer_nobody);
    await core.act("/transfer", "POST", { user });
    part("beside-part").removeAttribute("open");
  },
  "keep-call": () => core.act("/transfer", "DELETE"),
};
