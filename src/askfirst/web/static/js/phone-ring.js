// Calls that ring, from outside or of a colleague: who it is, the tone, taking it or not, and being away.
import { core, part, root, say } from "./phone-page.js";
import { take } from "./phone-sound.js";
import { announce } from "./shell.js";

const HERTZ = 425; // the ringing tone of most of Europe (ITU-T E.180)
const LONGEST_S = 600;
const TITLE = document.title;

/** @type {AudioContext | null} */
let sounding = null;

/** Ring one second of five. Browsers play nothing before somebody has used the page. */
function startTone() {
  if (sounding) return;
  sounding = new AudioContext();
  const volume = sounding.createGain();
  const tone = sounding.createOscillator();
  tone.frequency.value = HERTZ;
  volume.gain.value = 0;
  for (let at = 0; at < LONGEST_S; at += 5) {
    volume.gain.setValueAtTime(0.1, sounding.currentTime + at);
    volume.gain.setValueAtTime(0, sounding.currentTime + at + 1);
  }
  tone.connect(volume).connect(sounding.destination);
  tone.start();
}

function stopTone() {
  void sounding?.close();
  sounding = null;
}

let shown = "";
/** The call whose ringing ended by a button here: that needs no telling. */
let pressed = "";

function show() {
  const [first] = core.ringing;
  const panel = part("ringing");
  panel.hidden = !first;
  part("away").hidden = false;
  part("away").setAttribute("aria-pressed", String(core.isAway));
  if (!first) {
    stopTone();
    if (shown) {
      document.title = TITLE;
      if (shown !== pressed) announce(say.rings_no_more);
    }
    shown = "";
    return;
  }
  const who = first.name || first.number || say.withheld;
  part("ringing-who").textContent = (first.by ? say.hands : say.calls).replace("{who}", who).replace("{by}", first.by);
  const number = first.name ? first.number : "";
  const more = core.ringing.length > 1 ? say.more_calls.replace("{n}", String(core.ringing.length - 1)) : "";
  const called = first.called ? say.called.replace("{name}", first.called) : "";
  part("ringing-more").textContent = [number, called, more].filter(Boolean).join(" · ");
  if (first.id === shown) return;
  shown = first.id;
  root.classList.add("is-open");
  root.classList.remove("is-folded");
  document.title = part("ringing-who").textContent ?? TITLE;
  announce(document.title);
  startTone();
}

core.addEventListener("ringing", show);
core.addEventListener("contacts", show);
core.addEventListener("leads", show);

/** @type {Record<string, () => Promise<unknown>>} */
export const RING_ACTS = {
  take: () => take((pressed = shown)),
  decline: () => core.ask(`/phone/ringing/${(pressed = shown)}/decline`, "POST"),
  away: async () => {
    const found = await core.ask("/phone/away", core.isAway ? "DELETE" : "POST");
    core.isAway = found.away;
    core.ring(found.ringing);
  },
};
