// The sound of this browser in the call: who has it, how it comes back, and what is said of it. The
// microphone is given back as soon as there is no call here that it could be for.
import { core, nameOf, part, say, showNotice, texts, trying } from "./phone-page.js";
import { Sound, Taken, microphone } from "./sound.js";

/** @type {Sound | null} */
let sound = null;
let isConnecting = false;
let isTaken = false; // another window or device brought its own sound
/** What was wanted when the microphone was refused. @type {((audio: string) => Promise<void>) | null} */
let refused = null;

/** @param {boolean} on */
export function mute(on) {
  sound?.mute(on);
}

/** A call begins: nobody has taken it. */
export function beginSound() {
  isTaken = false;
}

/** The call is over, or is not this window's any more. */
export function endSound() {
  sound?.close();
  sound = null;
}

/** Whether a microphone that was refused is still wanted for a call. */
export const isWaiting = () => refused !== null;

/** @param {any} state */
export function showSoundNotice(state) {
  if (!core.leads) {
    showNotice(say.elsewhere, ["take-over"]);
  } else if (isTaken || (state.browser && state.connected && !sound && !isConnecting)) {
    showNotice(say.taken, ["take-over"]);
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

/** @param {MediaStream | null} stream */
function giveBack(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

/** Bring the sound of this browser to the call. @param {MediaStream} stream */
async function connect(stream) {
  // The call may have ended, or gone to another window, while a person was asked for a microphone.
  if (!core.isLive || !core.leads) {
    giveBack(stream);
    return;
  }
  sound?.close();
  isTaken = false;
  const output = /** @type {HTMLAudioElement} */ (part("output"));
  const made = (sound = new Sound(stream, texts.files, output));
  made.addEventListener("lost", () => void trying(() => reconnect(true)));
  made.addEventListener("taken", taken);
  made.mute(core.state.muted);
  await reconnect(false);
}

/** @param {boolean} again whether it comes back after a loss: then it takes nothing from another */
async function reconnect(again) {
  if (!sound || !core.isLive) return;
  isConnecting = true;
  try {
    await sound.connect(core.state.call, again);
  } catch (error) {
    if (error instanceof Taken) taken();
    else if (core.isLive) throw new Error(say.sound_failed);
  } finally {
    isConnecting = false;
  }
}

/** Another window or device has the sound of the call; both taking it back would never end. */
function taken() {
  endSound();
  isTaken = true;
  if (core.isLive) showSoundNotice(core.state);
}

/** Come back with a microphone of this browser. */
export async function rejoin() {
  await connect(await microphone());
}

/** Have the phone here, and the sound too where the call has one. */
export async function takeOver() {
  await core.takeOver();
  if (core.state?.browser && core.isLive) await rejoin();
}

/** Call a number; `audio` is browser or script, `shown` the number that they see, "" the usual one.
 * @param {string} to @param {string} audio @param {string} shown @param {boolean} isPrivate */
export async function dial(to, audio, shown, isPrivate) {
  refused = (other) => dial(to, other, shown, isPrivate);
  if (!core.leads) await core.takeOver();
  const stream = audio === "browser" ? await microphone() : null;
  await begin(stream, () => core.dial(to, audio, shown, isPrivate));
}

/** Take a call that rings, with a microphone of this browser. @param {string} ringing */
export async function take(ringing) {
  refused = () => take(ringing);
  const stream = await microphone();
  await begin(stream, () => core.take(ringing));
}

/** Do once more what a microphone was refused for. @param {string} audio */
export const tryAgain = async (audio) => refused?.(audio);

/** @param {MediaStream | null} stream @param {() => Promise<unknown>} enter */
async function begin(stream, enter) {
  refused = null;
  showNotice("", []);
  isConnecting = stream !== null; // the call is on screen before its sound is
  try {
    await enter();
    core.channel.postMessage({ kind: "dialled" });
  } catch (error) {
    giveBack(stream);
    throw error;
  } finally {
    isConnecting = false;
  }
  if (stream) await connect(stream);
}

core.addEventListener("leads", () => {
  isTaken = false;
  if (!core.leads) endSound(); // the window that has the phone now brings its own microphone
});
document.addEventListener("askfirst:signed-in", () => {
  // The server lets go of a sound whose person is signed in nowhere.
  if (sound && !sound.isConnected && !isConnecting) void trying(() => reconnect(true));
});
