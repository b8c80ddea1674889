// The phone beside every page. It shows what the call's own events say and nothing else: the light is
// what the server reports from the media path, and "unknown" as soon as that is not known. It lives
// in #phone, outside of what a navigation replaces.
import { showCaptions } from "./captions.js";
import { BESIDE_ACTS, showBeside } from "./phone-beside.js";
import { chosenAudio, chosenNumber, chosenPrivate, obeyPage } from "./phone-card.js";
import { useKeys } from "./phone-keys.js";
import { Notes } from "./phone-notes.js";
import {
  clock, control, core, nameOf, part, press, root, say, showNotice, texts, trying,
} from "./phone-page.js";
import { showConsent, showPrivate, showRecording, showSentences } from "./phone-panels.js";
import { OFFER_ACTS, endOffer, showOffer } from "./phone-offer.js";
import { learnPlaces, placeName, showPeople, tellPlace } from "./phone-people.js";
import { RING_ACTS } from "./phone-ring.js";
import {
  beginSound, dial, endSound, isWaiting, mute, rejoin, showSoundNotice, takeOver, tryAgain,
} from "./phone-sound.js";
import { closeUndo, offerUndo, undoButton } from "./phone-undo.js";
import { announce, message } from "./shell.js";

const notes = new Notes(core, part("notes"), part("notes-state"), say);

const LEARN_AGAIN_MS = 5000;

/** @type {{close: () => void} | null} */
let captions = null;
/** The answer that may still come, and what this window remembers of the call. */
let own = { isLaid: false, isChanging: false, newPlace: "", pausing: false, objecting: false };
/** @type {any} */
let before = null;

// The light

/** @param {string} kind off, waiting, recording or unknown */
function shine(kind) {
  for (const lamp of document.querySelectorAll("#light, #phone .light")) {
    lamp.classList.remove("light-off", "light-waiting", "light-recording", "light-unknown");
    lamp.classList.add(`light-${kind}`);
  }
}

core.addEventListener("lost", () => {
  shine("unknown");
  if (core.isLive) part("status").textContent = say.lost;
});

core.addEventListener("state", () => {
  const state = core.state;
  shine(state && !state.settled ? state.light : "off");
  show(state);
  before = state;
});

// The call

/** @param {any} state */
function show(state) {
  const isLive = core.isLive;
  if (state && before?.call !== state.call) begin(state);
  part("idle").hidden = isLive;
  part("controls").hidden = !isLive;
  part("status").textContent = isLive ? doing(state) : say.none;
  part("people").hidden = part("notes-part").hidden = !isLive;
  if (!isLive) {
    end(state);
    return;
  }
  press("mute", state.muted);
  press("on-hold", state.on_hold);
  press("record", state.wanted);
  control("record").hidden = !state.switch_on || state.private || state.decision?.mode === "forbid";
  tellChanges(state);
  offerUndo(state);
  showSoundNotice(state);
  showConsent(state, own);
  showRecording(state, own);
  showSentences(state.sentences);
  showPeople(state.parties);
  showBeside(state);
  showPrivate(state);
  showOffer(state);
  showCaptionsOf(state);
}

/** What goes on, and why nothing is recorded where that is so. @param {any} state */
function doing(state) {
  if (!state.answered) return say.ringing;
  if (state.on_hold) return say.held;
  const why = state.light === "off" && state.wanted ? texts.causes[state.because] : "";
  return why ? `${say.talking}: ${why}` : say.talking;
}

/** @param {any} state */
function begin(state) {
  own = { isLaid: false, isChanging: false, newPlace: "", pausing: false, objecting: false };
  beginSound();
  part("who").textContent = nameOf(state);
  part("keypad").hidden = true;
  part("last").hidden = true;
  if (!state.settled) notes.follow(state.call);
}

/** @param {any} state */
function end(state) {
  endSound();
  closeUndo();
  endOffer();
  closeCaptions();
  for (const name of ["consent", "recording", "keypad", "saying", "captions-part", "beside", "make-private"]) part(name).hidden = true;
  part("clock").textContent = "";
  part("who").textContent = say.phone;
  if (!isWaiting()) showNotice("", []);
  if (!state || before?.settled !== false) return;
  void notes.close();
  const last = part("last");
  const link = document.createElement("a");
  link.href = `/calls/${state.call}`;
  link.textContent = say.write;
  const why = texts.ends[state.ended_by];
  const isHanded = state.handed_to !== undefined;
  const ended = isHanded ? say.handed.replace("{who}", state.handed_to) : why ? `${say.ended} ${why}.` : say.ended;
  last.replaceChildren(`${ended} `, ...(isHanded ? [] : [link]));
  last.hidden = false;
  globalThis.htmx?.process(last);
  announce(ended);
}

/** Tell screen readers what changed by itself. @param {any} state */
function tellChanges(state) {
  if (!before || before.call !== state.call) return;
  if (before.light !== "recording" && state.light === "recording" && !state.by_itself) {
    announce(say.recording_started);
  }
  if (before.light === "recording" && state.light !== "recording") {
    message(say.recording_stopped, "warning");
    own.pausing = own.objecting = false;
  }
  if (state.light === "recording") own.newPlace = "";
  if (before.muted !== state.muted) announce(state.muted ? say.muted : say.unmuted);
  if (before.telling && !state.telling && state.told === false && state.owed.length) announce(say.no_answer);
  for (const party of state.parties) {
    const was = before.parties.find((/** @type {any} */ each) => each.party === party.party);
    const added = was && party.places.find((/** @type {string} */ code) => !was.places.includes(code));
    if (added) own.newPlace = placeName(added) ?? added;
  }
}

/** Only where the phone is: each stream is one of the few connections that a browser opens. @param {any} state */
function showCaptionsOf(state) {
  const isWiped = ["refused", "withdrawn", "private"].includes(state.because);
  const isWanted = core.leads && !isWiped && (state.light === "recording" || captions !== null);
  part("captions-part").hidden = !isWanted;
  if (!isWanted) closeCaptions();
  else captions ??= showCaptions(part("captions"), state.call, texts.captions);
}

function closeCaptions() {
  captions?.close();
  captions = null;
}

core.addEventListener("leads", () => {
  if (core.state) show(core.state);
});

// What the buttons do

/** Say first what is true, then that a recording is wanted: an announcement would come between. */
async function answer(/** @type {string} */ kind) {
  await core.act("/consents", "POST", { kind });
  own.isChanging = false;
  if (kind === "refused") return;
  message(say.word_kept);
  await core.act("/record");
}

/** @type {Record<string, () => unknown>} */
const ACTS = {
  hangup: () => core.act("/hangup"),
  mute: async () => {
    const on = !core.state.muted;
    mute(on);
    await core.act("/mute", on ? "POST" : "DELETE");
  },
  "on-hold": () => core.act("/on-hold", core.state.on_hold ? "DELETE" : "POST"),
  keypad: () => {
    const on = part("keypad").hidden;
    part("keypad").hidden = !on;
    press("keypad", on);
    if (on) /** @type {HTMLElement} */ (part("keypad").querySelector("button")).focus();
  },
  record: () => {
    own.isLaid = false;
    return core.act("/record", core.state.wanted ? "DELETE" : "POST");
  },
  stop: () => core.act("/record", "DELETE"),
  undo: () => core.act("/record?past=erase", "DELETE"),
  telling: () => core.act("/telling"),
  announcement: () => core.act("/announcement"),
  "ask-keypad": () => core.act("/announcement"),
  play: () => core.act("/announcement"),
  cancel: () => core.act("/record", "DELETE"),
  "not-now": async () => {
    own.isLaid = true;
    if (core.state.wanted) await core.act("/record", "DELETE");
    else show(core.state);
  },
  "change-answer": () => remember({ isChanging: true }),
  pause: () => remember({ pausing: true }),
  object: () => remember({ objecting: true }),
  resume: () => {
    const hold = core.state.holds.find((/** @type {string} */ each) => each.startsWith("hold_"));
    return core.act(`/holds/${hold}`, "DELETE");
  },
  private: () => core.act("/private", "POST", { past: "erase" }),
  "private-keep": () => core.act("/private", "POST", { past: "keep" }),
  join: () => core.act("/parties", "POST", {}),
  place: tellPlace,
  microphone: () => tryAgain("browser"),
  sentences: () => tryAgain("script"),
  rejoin,
  "take-over": takeOver,
  ...BESIDE_ACTS,
  ...OFFER_ACTS,
  ...RING_ACTS,
};

/** @param {Partial<typeof own>} values */
function remember(values) {
  own = { ...own, ...values };
  show(core.state);
  const place = values.objecting ? "objection" : values.pausing ? "pause-reasons" : "consent";
  /** @type {HTMLElement | null} */ (part(place).querySelector("button:not([hidden])"))?.focus();
}

/** @param {HTMLElement} clicked */
async function click(clicked) {
  const { call, answer: kind, sentence, pause, past, key, left, place } = clicked.dataset;
  if (call) await ACTS[call]?.();
  else if (place !== undefined && place !== "") await dial(place, chosenAudio(), chosenNumber(), chosenPrivate());
  else if (kind) await answer(kind);
  else if (sentence) await core.act("/sentences", "POST", { sentence });
  else if (key) await core.act("/dtmf", "POST", { digits: key });
  else if (left) await core.act(`/parties/${left}`, "DELETE");
  else if (pause) {
    part("paused-why").textContent = say.paused.replace("{reason}", texts.pauses[pause]);
    own.pausing = false;
    await core.act("/holds", "POST", { reason: pause });
  } else if (past) {
    own.objecting = false;
    await core.act("/consents", "POST", { kind: "withdrawn", past });
  }
}

const HOOKS = ["call", "answer", "sentence", "pause", "past", "key", "left", "place"];

root.addEventListener("click", (event) => {
  const target = /** @type {Element} */ (event.target);
  // Where the phone is alone, a page of its own must not take its place.
  const link = target.closest("a");
  if (link && !document.getElementById("main")) link.target = "_blank";
  const clicked = /** @type {HTMLElement | null} */ (
    target.closest(HOOKS.map((each) => `button[data-${each}]`).join())
  );
  if (clicked) void trying(() => click(clicked));
  const toggle = target.closest(".dock-toggle");
  if (!toggle) return;
  const isSheet = toggle.classList.contains("dock-toggle-sheet");
  const on = root.classList.toggle(isSheet ? "is-open" : "is-folded");
  toggle.setAttribute("aria-expanded", String(on === isSheet));
});

useKeys({
  KeyP: () => part("to").focus(),
  KeyM: () => core.isLive && ACTS.mute(),
  KeyO: () => core.isLive && ACTS["on-hold"](),
  KeyK: () => core.isLive && ACTS.keypad(),
  "Shift+KeyR": () => core.isLive && (undoButton() ?? firstIn("consent"))?.focus(),
  "Shift+KeyE": () => core.isLive && ACTS.hangup(),
});

/** @param {string} name */
function firstIn(name) {
  const found = part(name).querySelector("button:not([hidden])") ?? control("record");
  return /** @type {HTMLElement | null} */ (found);
}

// Time, and the session

let shownAt = 0;
core.addEventListener("state", () => (shownAt = performance.now()));
setInterval(() => {
  const state = core.state;
  if (!core.isLive || !state.answered || !core.isKnown) return;
  part("clock").textContent = clock(state.at_ms + performance.now() - shownAt);
}, 1000);

async function learn() {
  try {
    await learnPlaces();
  } catch {
    setTimeout(learn, LEARN_AGAIN_MS); // the line is cut, and the names are wanted when it is back
    return;
  }
  if (core.state) show(core.state);
}

window.addEventListener("beforeunload", (event) => {
  if ((core.isLive && core.leads) || notes.isPending) event.preventDefault();
});
core.addEventListener("signed-out", () => document.dispatchEvent(new CustomEvent("askfirst:signed-out")));
document.addEventListener("askfirst:signed-in", () => {
  void core.arrive();
  void learn();
});
core.start();
void learn();
obeyPage();
