// Before a call: a number or name, the card that says what the law asks there, and how the person
// wants to speak. Nothing here dials.
import { core, keep, part, recall, root, say, trying } from "./phone-page.js";

const LOOK_UP_MS = 300;
const AUDIO = "askfirst-audio"; // what this browser remembers of how its person speaks

/** browser or script: how the person speaks in the next call. */
export const chosenAudio = () => {
  const chosen = /** @type {HTMLInputElement} */ (root.querySelector("[name=phone-audio]:checked"));
  return chosen.value;
};

const SHOWN = "askfirst-caller-id"; // and of the number that it shows

/** The number that is shown to who is called, "" for the usual one. */
export const chosenNumber = () => shownNumber()?.value ?? "";

/** Whether nothing of the next call is to be kept. */
export const chosenPrivate = () =>
  /** @type {HTMLInputElement | null} */ (part("card").querySelector("[name=private]"))?.checked ?? false;

/** @returns {HTMLSelectElement | null} */
const shownNumber = () => part("card").querySelector("[name=caller-id]");

let lookingUp = 0;
let turn = 0; // one more for each thing looked up; the card of an older one is not shown

/** Show the card of a number or name. @param {string} to */
async function lookUp(to) {
  const place = part("card");
  const mine = (turn += 1);
  place.ariaBusy = "true";
  try {
    const card = to.trim() ? await cardOf(to) : "";
    if (card === null || mine !== turn) return;
    place.innerHTML = card; // our own template, everything in it escaped
    globalThis.htmx?.process(place);
    const number = shownNumber();
    const kept = recall(SHOWN) ?? "";
    if (number && [...number.options].some((each) => each.value === kept)) number.value = kept;
  } finally {
    if (mine === turn) place.ariaBusy = "false";
  }
}

/** The card of a number or name; null where nobody is signed in. @param {string} to */
async function cardOf(to) {
  const body = new URLSearchParams({ to });
  const answer = await fetch("/phone/card", { method: "POST", body });
  if (answer.status === 401 || answer.redirected) {
    document.dispatchEvent(new CustomEvent("askfirst:signed-out"));
    return null;
  }
  if (!answer.ok) throw new Error(say.failed);
  return answer.text();
}

/** Put a number into the phone and show its card; nothing is dialled. @param {string} to */
async function prepare(to) {
  /** @type {HTMLInputElement} */ (part("to")).value = to;
  root.classList.add("is-open");
  root.classList.remove("is-folded");
  await lookUp(to);
  /** @type {HTMLElement | null} */ (part("card").querySelector("[data-place]"))?.focus();
}

part("dial").addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(lookingUp);
  void trying(() => prepare(/** @type {HTMLInputElement} */ (part("to")).value));
});

part("card").addEventListener("change", (event) => {
  if (event.target === shownNumber()) keep(SHOWN, chosenNumber());
});

part("to").addEventListener("input", (event) => {
  const { value } = /** @type {HTMLInputElement} */ (event.target);
  clearTimeout(lookingUp);
  lookingUp = setTimeout(() => void trying(() => lookUp(value)), LOOK_UP_MS);
});

core.addEventListener("contacts", () => {
  part("people-list").replaceChildren(
    ...core.contacts.map((each) => new Option(each.name, each.to)),
  );
});

/** A page that names a number wants it in the phone. */
export function obeyPage() {
  const to = document.querySelector("#main [data-prepare]")?.getAttribute("data-prepare");
  if (to && !core.isLive) void trying(() => prepare(to));
}
document.addEventListener("htmx:afterSettle", (event) => {
  if (/** @type {CustomEvent} */ (event).detail.target?.id === "main") obeyPage();
});
document.addEventListener("click", (event) => {
  const clicked = /** @type {Element} */ (event.target).closest("[data-dial]");
  if (!clicked || core.isLive) return;
  event.preventDefault();
  event.stopPropagation();
  void trying(() => prepare(clicked.getAttribute("data-dial") ?? ""));
}, true);

for (const choice of /** @type {NodeListOf<HTMLInputElement>} */ (root.querySelectorAll("[name=phone-audio]"))) {
  choice.checked = choice.value === (recall(AUDIO) ?? "browser");
  choice.addEventListener("change", () => keep(AUDIO, chosenAudio()));
}
