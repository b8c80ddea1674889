// The phone beside every page. It shows what the call's own events say and nothing else: the light is
// what the server reports from the media path, and "unknown" as soon as that is not known. It lives
// in #phone, outside of what a navigation replaces.
import { showCaptions } from "./captions.js";
import { kindOf, offer, wordsOf } from "./phone-consent.js";
import { PhoneCore } from "./phone-core.js";
import { Notes } from "./phone-notes.js";
import { MicrophoneError, Sound, microphone } from "./sound.js";
import { announce, message } from "./shell.js";

const LOOK_UP_MS = 300;
const AUDIO = "askfirst-audio"; // what this browser remembers of how its person speaks
const KEYS = "askfirst-keys";

const root = /** @type {HTMLElement} */ (document.getElementById("phone"));
const texts = JSON.parse(document.getElementById("phone-texts")?.textContent ?? "{}");
/** @type {Record<string, string>} */
const say = texts.say;
const core = new PhoneCore();

/** @param {string} name */
const part = (name) => /** @type {HTMLElement} */ (root.querySelector(`[data-phone="${name}"]`));
const notes = new Notes(core, part("notes"), part("notes-state"), say);

/** @type {Sound | null} */
let sound = null;
let isConnecting = false;
/** @type {{close: () => void} | null} */
let captions = null;
/** @type {Map<string, string>} */
let placeNames = new Map();
/** The answer that may still come, and what this window remembers of the call. */
let own = { isLaid: false, isChanging: false, newPlace: "", pausing: false, objecting: false };
/** @type {any} */
let before = null;
let wanted = ""; // the number that was to be called when the microphone was refused

// What goes wrong

/** @param {unknown} error */
function complain(error) {
  const said = error instanceof Error ? error.message : "";
  message(said || say.failed, "error");
}

/** Do something, and say so where it did not work. @param {() => Promise<unknown>} doing */
async function trying(doing) {
  try {
    await doing();
  } catch (error) {
    if (error instanceof MicrophoneError) showNotice(say[`mic_${error.code}`], ["microphone", "sentences"]);
    else complain(error);
  }
}

/** A line above everything, with what can be done. @param {string} text @param {string[]} acts */
function showNotice(text, acts) {
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
  control("record").hidden = state.because === "switched-off";
  tellChanges(state);
  showSoundNotice(state);
  showConsent(state);
  showRecording(state);
  showSentences(state.sentences);
  showPeople(state.parties);
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
  part("who").textContent = nameOf(state);
  part("keypad").hidden = true;
  part("last").hidden = true;
  if (!state.settled) notes.follow(state.call);
}

/** @param {any} state */
function end(state) {
  sound?.close();
  sound = null;
  captions?.close();
  captions = null;
  for (const name of ["consent", "recording", "keypad", "saying", "captions-part"]) part(name).hidden = true;
  part("clock").textContent = "";
  part("who").textContent = say.phone;
  if (!wanted) showNotice("", []);
  if (!state || before?.settled !== false) return;
  void notes.close();
  const last = part("last");
  const link = document.createElement("a");
  link.href = `/calls/${state.call}`;
  link.textContent = say.write;
  last.replaceChildren(`${say.ended} `, link);
  last.hidden = false;
  globalThis.htmx?.process(last);
  announce(say.ended);
}

/** @param {any} state */
function nameOf(state) {
  return state.name || core.contacts.find((each) => each.to === state.to)?.name || state.to;
}

/** Tell screen readers what changed by itself. @param {any} state */
function tellChanges(state) {
  if (!before || before.call !== state.call) return;
  if (before.light !== "recording" && state.light === "recording") announce(say.recording_started);
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
    if (added) own.newPlace = placeNames.get(added) ?? added;
  }
}

/** @param {any} state */
function showConsent(state) {
  const panel = part("consent");
  const kind = kindOf(state, own);
  panel.hidden = kind === "";
  if (!kind) return;
  const code = state.decision.primary.find((/** @type {string} */ each) => placeNames.has(each));
  const words = wordsOf(kind, state, say, placeNames.get(code) ?? say.unknown, own);
  if (part("rule").textContent !== words.title) part("rule").textContent = words.title;
  part("rule-text").textContent = words.text;
  part("why").setAttribute("href", code ? `/rules/${code}` : "/rules");
  const isAsked = ["ask", "key", "tell", "changed"].includes(kind);
  part("notice").textContent = isAsked ? state.decision.say.text : "";
  part("notice").hidden = !isAsked;
  part("notice").lang = state.decision.say.language;
  part("key-needed").hidden = kind !== "key";
  offer(panel, kind);
}

/** @param {any} state */
function showRecording(state) {
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

/** @param {{id: string, text: string}[]} offered */
function showSentences(offered) {
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

/** @param {any[]} people */
function showPeople(people) {
  part("parties").replaceChildren(
    ...people.map((each) => {
      const line = document.createElement("li");
      const who = document.createElement("span");
      const where = document.createElement("span");
      const isFirst = each.party < 2;
      const isOurs = each.role === "agent";
      who.textContent = isOurs ? (isFirst ? say.agent : say.colleague) : isFirst ? say.contact : say.joined;
      const names = each.places.map((/** @type {string} */ code) => placeNames.get(code) ?? say.unknown);
      where.textContent = names.join(", ") || say.unknown;
      line.append(who, where);
      if (!isFirst && each.present) {
        const left = document.createElement("button");
        left.type = "button";
        left.className = "button button-quiet button-small";
        left.dataset.left = String(each.party);
        left.textContent = say.left;
        line.append(left);
      }
      return line;
    }),
  );
}

/** @param {any} state */
function showCaptionsOf(state) {
  const isWanted = state.light === "recording" || captions !== null;
  part("captions-part").hidden = !isWanted;
  if (isWanted && !captions) captions = showCaptions(part("captions"), state.call, texts.captions);
  const isWiped = state.because === "refused" || state.because === "withdrawn";
  if (isWiped && captions) {
    captions.close();
    captions = null;
    part("captions-part").hidden = true;
  }
}

// Sound

/** @param {any} state */
function showSoundNotice(state) {
  if (!core.leads) {
    showNotice(say.elsewhere, ["take-over"]);
  } else if (!state.browser || state.connected) {
    showNotice("", []);
  } else if (!sound && !isConnecting) {
    const seconds = String(Math.round((state.rejoin_ms ?? 30000) / 1000));
    const text = say.left_call.replace("{name}", nameOf(state)).replace("{s}", seconds);
    showNotice(text, ["rejoin", "hangup"]);
  } else if (state.answered) {
    showNotice(say.rejoining, ["rejoin", "hangup"]);
  }
}

core.addEventListener("leads", () => {
  if (!core.leads) {
    // The window that has the phone now brings its own microphone.
    sound?.close();
    sound = null;
  }
  if (core.state) show(core.state);
});

/** Bring the sound of this browser to the call. @param {MediaStream} stream */
async function connect(stream) {
  sound?.close();
  const output = /** @type {HTMLAudioElement} */ (part("output"));
  const made = (sound = new Sound(stream, texts.files, output));
  made.addEventListener("lost", () => void trying(reconnect));
  await reconnect();
  made.mute(core.state?.muted ?? false);
}

async function reconnect() {
  if (!sound || !core.isLive) return;
  isConnecting = true;
  try {
    await sound.connect(core.state.call);
  } catch {
    throw new Error(say.sound_failed);
  } finally {
    isConnecting = false;
  }
}

/** @param {string} to @param {string} audio */
async function dial(to, audio) {
  wanted = to;
  if (!core.leads) core.takeOver();
  const stream = audio === "browser" ? await microphone() : null;
  wanted = "";
  showNotice("", []);
  try {
    await core.dial(to, audio);
    core.channel.postMessage({ kind: "dialled" });
  } catch (error) {
    for (const track of stream?.getTracks() ?? []) track.stop();
    throw error;
  }
  if (stream) await connect(stream);
}

const chosenAudio = () => {
  const chosen = /** @type {HTMLInputElement} */ (root.querySelector("[name=phone-audio]:checked"));
  return chosen.value;
};

// Before the call

let lookingUp = 0;

/** Show the card of a number or name. @param {string} to */
async function lookUp(to) {
  const place = part("card");
  if (!to.trim()) {
    place.replaceChildren();
    return;
  }
  const body = new URLSearchParams({ to });
  const answer = await fetch("/phone/card", { method: "POST", body });
  if (answer.status === 401 || answer.redirected) {
    document.dispatchEvent(new CustomEvent("askfirst:signed-out"));
    return;
  }
  if (!answer.ok) throw new Error(say.failed);
  place.innerHTML = await answer.text(); // our own template, everything in it escaped
  globalThis.htmx?.process(place);
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
function obeyPage() {
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

// What the buttons do

/** @param {string} name */
const control = (name) => /** @type {HTMLElement} */ (root.querySelector(`.call-controls [data-call="${name}"]`));

/** @param {string} name @param {boolean} on */
function press(name, on) {
  control(name).setAttribute("aria-pressed", String(on));
}

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
    sound?.mute(on);
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
  join: () => core.act("/parties", "POST", {}),
  place: () => {
    const { value } = /** @type {HTMLSelectElement} */ (part("place"));
    if (value) return core.act("/places", "POST", { party: 1, code: value });
  },
  microphone: () => dial(wanted, "browser"),
  sentences: () => dial(wanted, "script"),
  rejoin: async () => connect(await microphone()),
  "take-over": async () => {
    core.takeOver();
    if (core.state?.browser && core.isLive) await connect(await microphone());
  },
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
  else if (place !== undefined && place !== "") await dial(place, chosenAudio());
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

// Keys, each with a modifier; they can be switched off

const SHORTCUTS = /** @type {Record<string, () => unknown>} */ ({
  KeyP: () => part("to").focus(),
  KeyM: () => core.isLive && ACTS.mute(),
  KeyO: () => core.isLive && ACTS["on-hold"](),
  KeyK: () => core.isLive && ACTS.keypad(),
  "Shift+KeyR": () => core.isLive && firstIn("consent")?.focus(),
  "Shift+KeyE": () => core.isLive && ACTS.hangup(),
});

/** @param {string} name */
function firstIn(name) {
  const found = part(name).querySelector("button:not([hidden])") ?? control("record");
  return /** @type {HTMLElement | null} */ (found);
}

document.addEventListener("keydown", (event) => {
  if (!event.altKey || event.ctrlKey || event.metaKey) return;
  if (!(/** @type {HTMLInputElement} */ (part("keys")).checked)) return;
  const shortcut = SHORTCUTS[`${event.shiftKey ? "Shift+" : ""}${event.code}`];
  if (!shortcut) return;
  event.preventDefault();
  void trying(async () => shortcut());
});

// Time, and what this browser remembers

/** @param {number} ms */
function clock(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return `${String(Math.floor(seconds / 60)).padStart(2, "0")}:${String(seconds % 60).padStart(2, "0")}`;
}

let shownAt = 0;
core.addEventListener("state", () => (shownAt = performance.now()));
setInterval(() => {
  const state = core.state;
  if (!core.isLive || !state.answered || !core.isKnown) return;
  part("clock").textContent = clock(state.at_ms + performance.now() - shownAt);
}, 1000);

/** @param {string} key */
function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // a browser that keeps nothing
  }
}

/** @param {string} key @param {string} value */
function keep(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // A browser that keeps nothing asks again.
  }
}

for (const choice of /** @type {NodeListOf<HTMLInputElement>} */ (root.querySelectorAll("[name=phone-audio]"))) {
  choice.checked = choice.value === (recall(AUDIO) ?? "browser");
  choice.addEventListener("change", () => keep(AUDIO, chosenAudio()));
}
const keys = /** @type {HTMLInputElement} */ (part("keys"));
keys.checked = recall(KEYS) !== "off";
keys.addEventListener("change", () => keep(KEYS, keys.checked ? "on" : "off"));

async function learnPlaces() {
  const answer = await fetch(`/phone/places?lang=${document.documentElement.lang}`);
  if (!answer.ok) return;
  placeNames = new Map(await answer.json());
  part("place").append(...[...placeNames].map(([code, name]) => new Option(name, code)));
  if (core.state) show(core.state);
}

window.addEventListener("beforeunload", (event) => {
  if (core.isLive && core.leads) event.preventDefault();
});
core.addEventListener("signed-out", () => document.dispatchEvent(new CustomEvent("askfirst:signed-out")));
document.addEventListener("askfirst:signed-in", () => {
  void core.arrive();
  void learnPlaces();
});
core.start();
void learnPlaces();
obeyPage();
