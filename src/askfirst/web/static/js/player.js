// The player of a recording: a lane for each speaker, gaps and marks where they were in the call,
// and the transcript in step. Everything is in call time; the stretches say where it is in the file.
// The page brings what is drawn, and the sound is asked for when somebody presses Play, because that
// is an access and is written down. Without script the browser's own player stays as it is.

import { keep, recall } from "./memory.js";
import { make, Transcript } from "./transcript.js";

const COLUMNS = 1000;
const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
const SPEEDS = [0.75, 1, 1.25, 1.5, 2];
const SKIPS = "askfirst-skip-silence"; // what this browser remembers of whether silence is skipped
const SVG = "http://www.w3.org/2000/svg";

/** @typedef {{file_ms: number, from_ms: number, to_ms: number, kind: string}} Stretch */

/** @param {number} ms @returns {string} 04:11, and 1:04:11 from an hour on */
export function clock(ms) {
  const all = Math.max(0, Math.floor(ms / 1000));
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  const [hours, minutes, seconds] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  return hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${two(minutes)}:${two(seconds)}`;
}

/** The file time of a call time; of a gap, where the sound goes on after it, or ended before it.
 * @param {Stretch[]} stretches @param {number} callMs @param {boolean} [backwards] */
export function fileTime(stretches, callMs, backwards = false) {
  let before = 0;
  for (const each of stretches) {
    if (callMs < each.from_ms) return backwards ? before : each.file_ms;
    if (callMs < each.to_ms) return each.file_ms + callMs - each.from_ms;
    before = each.file_ms + each.to_ms - each.from_ms - 1;
  }
  return before;
}

/** The call time of a file time. @param {Stretch[]} stretches @param {number} fileMs */
export function callTime(stretches, fileMs) {
  let found = fileMs;
  for (const each of stretches) {
    if (fileMs < each.file_ms) break;
    found = Math.min(each.from_ms + fileMs - each.file_ms, each.to_ms);
  }
  return found;
}

/** The end of the silence that a file time lies in; null where it lies in none, or hardly.
 * @param {[number, number][]} silences @param {number} fileMs */
export function afterSilence(silences, fileMs) {
  const found = silences.find(([from, to]) => from <= fileMs && fileMs < to - 50);
  return found ? found[1] : null;
}

class Player extends HTMLElement {
  connectedCallback() {
    const audio = this.querySelector("audio");
    if (!audio || !this.dataset.picture || this.ends) return;
    this.ends = new AbortController();
    this.audio = audio;
    this.picture = JSON.parse(this.dataset.picture);
    /** Where to begin, in file time, while there is no sound yet. @type {number | null} */
    this.waiting = 0;
    this.frame = 0;
    this.transcript = new Transcript(this, this.picture.texts, this.ends.signal);
    audio.controls = false;
    audio.hidden = true;
    audio.before(this.stage(), this.buttons());
    this.listen();
    if (this.dataset.at) this.seek(Number(this.dataset.at)); // where a search found something
    else this.show();
  }

  disconnectedCallback() {
    this.ends?.abort();
    cancelAnimationFrame(this.frame ?? 0);
    if (!this.audio) return;
    this.audio.pause();
    this.audio.removeAttribute("src"); // lets go of the sound and of its connection
    this.audio.load();
  }

  // Time

  get position() {
    const fileMs = this.waiting ?? this.audio.currentTime * 1000;
    return this.waiting === 0 && !this.hasMoved ? 0 : callTime(this.picture.stretches, fileMs);
  }

  /** @param {number} callMs */
  seek(callMs) {
    const wanted = Math.min(Math.max(callMs, 0), this.picture.end_ms);
    const fileMs = fileTime(this.picture.stretches, wanted, wanted < this.position);
    this.hasMoved = true;
    if (this.audio.readyState > 0) this.audio.currentTime = fileMs / 1000;
    else this.waiting = fileMs;
    this.show();
  }

  play() {
    this.hasMoved = true;
    this.audio.play().catch((/** @type {Error} */ error) => {
      if (error.name !== "AbortError") this.complain();
    });
  }

  toggle() {
    if (this.audio.paused) this.play();
    else this.audio.pause();
  }

  /** @param {number} step */
  faster(step) {
    const now = SPEEDS.indexOf(this.audio.playbackRate);
    this.setSpeed(SPEEDS[Math.min(Math.max(now + step, 0), SPEEDS.length - 1)]);
  }

  /** @param {number} speed */
  setSpeed(speed) {
    this.audio.defaultPlaybackRate = speed;
    this.audio.playbackRate = speed;
    this.speed.value = String(speed);
  }

  /** Jump on where nobody speaks, while it plays. The sound is the same opened one, so the access is. */
  skip() {
    if (!this.skips || this.audio.paused || this.audio.seeking) return;
    const to = afterSilence(this.picture.silences, this.audio.currentTime * 1000);
    if (to !== null) this.audio.currentTime = to / 1000;
  }

  /** @param {boolean} on */
  setSkips(on) {
    this.skips = on;
    this.skipping.setAttribute("aria-pressed", String(on));
  }

  complain() {
    const detail = { text: this.picture.texts.failed, kind: "error" };
    document.dispatchEvent(new CustomEvent("askfirst:message", { detail }));
  }

  // What is drawn

  stage() {
    const { lanes, own, gaps, marks, end_ms: end } = this.picture;
    const stage = make("div", "player-stage");
    const drawing = document.createElementNS(SVG, "svg");
    drawing.setAttribute("viewBox", `0 0 ${COLUMNS} 100`);
    drawing.setAttribute("preserveAspectRatio", "none");
    drawing.setAttribute("aria-hidden", "true");
    for (const lane of [0, 1]) {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", this.outline(lane));
      path.setAttribute("class", lane === own ? "lane-you" : "lane-them");
      drawing.append(path);
    }
    stage.append(drawing);
    /** @param {HTMLElement} part @param {number} from @param {number} [to] */
    const put = (part, from, to) => {
      part.style.left = `${(100 * from) / end}%`;
      if (to !== undefined) part.style.width = `${(100 * (to - from)) / end}%`;
      stage.append(part);
    };
    for (const gap of gaps) put(make("span", "player-gap"), gap.from_ms, gap.to_ms);
    for (const each of this.picture.stretches) {
      // A notice is kept of our own side only.
      if (each.kind === "notice") {
        put(make("span", `player-gap player-half-${1 - own}`), each.from_ms, each.to_ms);
      }
    }
    for (const mark of marks) put(make("span", `player-mark is-${mark.kind}`), mark.at_ms);
    lanes.forEach((/** @type {string} */ name, /** @type {number} */ lane) => {
      stage.append(make("span", `player-name player-half-${lane}`, name));
    });
    this.head = make("span", "player-head");
    put(this.head, 0);
    this.slider = stage;
    for (const [name, value] of Object.entries({
      role: "slider", tabindex: "0", "aria-label": this.picture.texts.position,
      "aria-valuemin": "0", "aria-valuemax": String(Math.round(end / 1000)),
    })) stage.setAttribute(name, value);
    const whole = make("div", "player-lanes");
    whole.append(stage, this.axis());
    return whole;
  }

  /** One lane as a path: a stroke for each column that has sound. @param {number} lane */
  outline(lane) {
    const { channels, duration_ms: duration, end_ms: end, full, stretches } = this.picture;
    const values = channels[lane];
    const middle = 25 + 50 * lane;
    const parts = [];
    for (let column = 0; column < COLUMNS; column += 1) {
      const [from, to] = [(column * end) / COLUMNS, ((column + 1) * end) / COLUMNS];
      const within = stretches.find((/** @type {Stretch} */ each) => each.from_ms < to && from < each.to_ms);
      if (!within) continue;
      const at = within.file_ms - within.from_ms;
      const first = Math.floor(((Math.max(from, within.from_ms) + at) * values.length) / duration);
      const last = Math.floor(((Math.min(to, within.to_ms) + at) * values.length) / duration);
      const loudest = Math.max(0, ...values.slice(first, Math.max(first + 1, last)));
      const half = 0.4 + 21 * Math.sqrt(loudest / full); // quiet talking stays visible
      parts.push(`M${column + 0.5} ${(middle - half).toFixed(1)}v${(2 * half).toFixed(1)}`);
    }
    return parts.join("");
  }

  axis() {
    const { end_ms: end } = this.picture;
    const axis = make("div", "player-axis");
    axis.setAttribute("aria-hidden", "true");
    const step = 1000 * (STEPS_S.find((each) => end / 1000 / each <= 6) ?? 7200);
    for (let at = 0; at < end; at += step) {
      const tick = make("span", "", clock(at));
      tick.style.left = `${(100 * at) / end}%`;
      axis.append(tick);
    }
    return axis;
  }

  buttons() {
    const { texts } = this.picture;
    const bar = make("div", "player-bar");
    /** @param {string} text @param {string} label @param {() => void} act @param {string} [kind] */
    const button = (text, label, act, kind = "") => {
      const made = make("button", `button ${kind}`, text);
      made.setAttribute("type", "button");
      if (label) made.setAttribute("aria-label", label);
      made.addEventListener("click", act);
      bar.append(made);
      return made;
    };
    this.playing = button(texts.play, "", () => this.toggle(), "button-primary player-play");
    button("−10", texts.back, () => this.seek(this.position - 10_000));
    button("+10", texts.on, () => this.seek(this.position + 10_000));
    this.skipping = button(texts.skip, "", () => {
      this.setSkips(!this.skips);
      keep(SKIPS, this.skips ? "on" : "off");
    });
    this.setSkips(recall(SKIPS) === "on");
    this.speed = /** @type {HTMLSelectElement} */ (make("select", "input player-speed"));
    this.speed.setAttribute("aria-label", texts.speed);
    for (const each of SPEEDS) this.speed.add(new Option(`${each}×`, String(each), each === 1, each === 1));
    this.speed.addEventListener("change", () => this.setSpeed(Number(this.speed.value)));
    this.time = make("span", "player-time number");
    bar.append(this.speed, this.skipping, this.time);
    return bar;
  }

  show() {
    const { end_ms: end, texts } = this.picture;
    const at = Math.min(this.position, end);
    const said = clock(at);
    this.head.style.left = `${(100 * at) / end}%`;
    if (this.shown !== said) {
      this.shown = said;
      this.time.textContent = `${said} / ${clock(end)}`;
      this.slider.setAttribute("aria-valuenow", String(Math.round(at / 1000)));
      this.slider.setAttribute("aria-valuetext", `${said} ${texts.of} ${clock(end)}`);
    }
    this.transcript.follow(at, !this.audio.paused);
  }

  run() {
    this.skip();
    this.show();
    if (!this.audio.paused) this.frame = requestAnimationFrame(() => this.run());
  }

  // What people do

  listen() {
    const { signal } = this.ends;
    const on = (/** @type {EventTarget} */ what, /** @type {string} */ name, /** @type {(event: any) => void} */ act) =>
      what.addEventListener(name, act, { signal });
    on(this.audio, "loadedmetadata", () => {
      if (this.waiting) this.audio.currentTime = this.waiting / 1000;
      this.waiting = null;
    });
    for (const name of ["play", "pause", "ended"]) {
      on(this.audio, name, () => {
        this.playing.textContent = this.audio.paused ? this.picture.texts.play : this.picture.texts.pause;
        cancelAnimationFrame(this.frame);
        this.run();
      });
    }
    on(this.audio, "timeupdate", () => {
      this.skip(); // frames do not come in a window that is not seen
      this.show();
    });
    on(this.audio, "error", () => this.complain());
    on(document, "click", (event) => this.clicked(event.target));
    on(this, "keydown", (event) => this.pressed(event));
    const point = (/** @type {PointerEvent} */ event) => {
      const box = this.slider.getBoundingClientRect();
      this.seek((this.picture.end_ms * (event.clientX - box.left)) / box.width);
    };
    on(this.slider, "pointerdown", (event) => {
      if (event.button !== 0) return;
      this.slider.setPointerCapture(event.pointerId);
      point(event);
    });
    on(this.slider, "pointermove", (event) => {
      if (this.slider.hasPointerCapture(event.pointerId)) point(event);
    });
    for (const each of document.querySelectorAll("[data-hear]")) each.removeAttribute("hidden");
  }

  /** @param {Element} target */
  clicked(target) {
    const jump = /** @type {HTMLElement | null} */ (target.closest("[data-jump]"));
    if (jump) this.seek(Number(jump.dataset.jump));
    const hear = /** @type {HTMLElement | null} */ (target.closest("[data-hear]"));
    if (!hear) return;
    this.seek(Number(hear.dataset.hear));
    this.play();
  }

  /** Keys count while the player has the focus, and never where they already mean something.
   * @param {KeyboardEvent} event */
  pressed(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.altKey || event.ctrlKey || event.metaKey || target.matches("input, select, textarea")) return;
    const arrow = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1 }[event.key] ?? 0;
    const isAcross = event.key === "ArrowLeft" || event.key === "ArrowRight";
    const isSlider = target === this.slider;
    if (event.key === " " && !target.matches("button")) this.toggle();
    else if (event.shiftKey && isAcross) this.seek(this.transcript.beside(this.position, arrow));
    else if (arrow && (isAcross || isSlider)) this.seek(this.position + 5000 * arrow);
    else if (isSlider && event.key === "Home") this.seek(0);
    else if (isSlider && event.key === "End") this.seek(this.picture.end_ms);
    else if (event.key === "+") this.faster(1);
    else if (event.key === "-") this.faster(-1);
    else return;
    event.preventDefault();
  }
}

customElements.define("askfirst-player", Player);
