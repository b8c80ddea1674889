// Live captions of one call: an ordered list of who said what and when, in whatever container it is
// given. Lines come as server-sent events, each with a sequence; after a broken connection, or where
// a sequence is missing, everything after the last one is asked for. A "wiped" event takes away
// every line up to it, because somebody said no.

const RETRY_MS = 2500;
const BEHIND_MS = 5000; // less is the ordinary time from a phrase to its line
const AT_END_PX = 40;

let made = 0;

/** @typedef {{sequence: number, party: number, speaker: string, start_ms: number, text: string}} Line */
/** @typedef {{available: boolean, reason: string | null, language: string, behind_ms: number, skipped_ms: number}} Condition */

/** @param {number} ms */
function clock(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return `${String(Math.floor(seconds / 60)).padStart(2, "0")}:${String(seconds % 60).padStart(2, "0")}`;
}

/** @param {string} name @param {string} [className] @param {string} [text] */
function element(name, className = "", text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

/** A button that is on or off. @param {string} label @param {boolean} on @param {(on: boolean) => void} then */
function makeSwitch(label, on, then) {
  const button = element("button", "button button-small captions-switch", label);
  button.setAttribute("type", "button");
  button.setAttribute("role", "switch");
  /** @param {boolean} now */
  const set = (now) => {
    button.setAttribute("aria-checked", String(now));
    then(now);
  };
  button.addEventListener("click", () => set(button.getAttribute("aria-checked") !== "true"));
  button.setAttribute("aria-checked", String(on));
  return { button, set };
}

/**
 * Show the captions of a call in a container until `close()` empties it again.
 * `texts` are those of `captionwords.CAPTIONS`; `names` may hold a name by the number of a party.
 * @param {HTMLElement} container @param {string} callId
 * @param {Record<string, any> & {names?: Record<string, string>}} texts
 */
export function showCaptions(container, callId, texts) {
  const address = `/api/v1/calls/${encodeURIComponent(callId)}/captions`;
  const title = element("h2", "", texts.title);
  title.id = `captions-title-${++made}`;
  const note = element("p", "captions-note help");
  note.setAttribute("role", "status");
  const list = element("ol", "transcript captions-lines");
  const log = element("div", "captions-log");
  log.setAttribute("role", "log");
  log.setAttribute("aria-live", "off"); // it would talk over the caller
  log.setAttribute("aria-labelledby", title.id);
  log.tabIndex = 0; // scrolls by keyboard
  const empty = element("p", "captions-empty muted", texts.empty);
  log.append(empty, list);

  let isFollowing = true;
  const reading = makeSwitch(texts.read_aloud, false, (on) => {
    log.setAttribute("aria-live", on ? "polite" : "off");
  });
  const following = makeSwitch(texts.follow, true, (on) => {
    isFollowing = on;
    if (on) toEnd();
  });
  const head = element("div", "captions-head");
  head.append(title, reading.button, following.button);
  container.replaceChildren(head, note, log);
  container.classList.add("captions");

  let last = 0;
  let isClosed = false;
  let retry = 0;
  /** @type {EventSource | null} */
  let events = null;

  const toEnd = () => {
    log.scrollTop = log.scrollHeight;
  };
  log.addEventListener("scroll", () => {
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < AT_END_PX;
    if (isAtEnd !== isFollowing) following.set(isAtEnd);
  });

  /** @param {string} text */
  const say = (text) => {
    if (note.textContent !== text) note.textContent = text;
    note.hidden = text === "";
  };

  /** @param {Line} line */
  const speaker = (line) => {
    const known = texts.names?.[line.party];
    if (known) return known;
    if (line.speaker === "agent") return line.party === 0 ? texts.agent : `${texts.agent} ${line.party}`;
    return line.party <= 1 ? texts.contact : `${texts.contact} ${line.party}`;
  };

  /** Where a line belongs: both sides are heard on their own, so one may come late. @param {Line} line */
  const place = (line) => {
    const rows = /** @type {HTMLElement[]} */ ([...list.children]);
    return rows.find((row) => Number(row.dataset.start) > line.start_ms) ?? null;
  };

  /** @param {Line} line */
  const add = (line) => {
    if (line.sequence <= last) return;
    last = line.sequence;
    const row = element("li");
    row.dataset.start = String(line.start_ms);
    row.dataset.sequence = String(line.sequence);
    const time = element("time", "", clock(line.start_ms));
    time.setAttribute("datetime", `PT${Math.floor(Math.max(0, line.start_ms) / 1000)}S`);
    const who = element("span", line.speaker === "agent" ? "speaker-you" : "speaker-them", speaker(line));
    row.append(time, who, element("span", "captions-text", line.text));
    list.insertBefore(row, place(line));
    empty.hidden = true;
    if (isFollowing) toEnd();
  };

  /** @param {number} upTo */
  const wipe = (upTo) => {
    last = Math.max(last, upTo);
    for (const row of [.../** @type {HTMLCollectionOf<HTMLElement>} */ (list.children)]) {
      if (Number(row.dataset.sequence) <= upTo) row.remove();
    }
    empty.hidden = list.children.length > 0;
    empty.textContent = texts.wiped;
  };

  /** @param {Condition} now */
  const tell = (now) => {
    const seconds = (/** @type {number} */ ms) => String(Math.round(ms / 1000));
    if (now.reason === "language") say(texts.language.replace("{language}", now.language));
    else if (!now.available) say(texts.unavailable);
    else if (now.behind_ms >= BEHIND_MS) say(texts.behind.replace("{n}", seconds(now.behind_ms)));
    else if (now.skipped_ms > 0) say(texts.skipped.replace("{n}", seconds(now.skipped_ms)));
    else say("");
  };

  /** Fetch what is missing; whether there is a call to go on with. */
  const refill = async () => {
    const answer = await fetch(`${address}?after=${last}`);
    if (!answer.ok) return answer.status >= 500;
    const found = await answer.json();
    if (isClosed) return false;
    if (found.wiped > last) wipe(found.wiped);
    for (const line of found.lines) add(line);
    tell(found);
    return true;
  };

  const again = async () => {
    events = null;
    say(texts.lost);
    const goesOn = await refill().catch(() => true);
    if (goesOn && !isClosed) retry = window.setTimeout(open, RETRY_MS);
  };

  const open = () => {
    if (isClosed || events) return;
    events = new EventSource(`${address}/stream?after=${last}`);
    let isFirst = true;
    events.addEventListener("message", (event) => {
      const line = JSON.parse(event.data);
      // What is missing before the first line of a stream is kept no more: asking again is in vain.
      if (isFirst || line.sequence <= last + 1) {
        isFirst = false;
        add(line);
        return;
      }
      // Something is missing, perhaps a wipe: take up again where we were.
      events?.close();
      events = null;
      open();
    });
    events.addEventListener("wiped", (event) => {
      isFirst = false;
      wipe(JSON.parse(event.data).sequence);
    });
    events.addEventListener("alive", (event) => tell(JSON.parse(event.data)));
    events.addEventListener("ended", () => events?.close());
    events.addEventListener("error", () => {
      if (events?.readyState === EventSource.CLOSED) void again();
      else say(texts.lost);
    });
  };

  const signedIn = () => {
    window.clearTimeout(retry);
    open();
  };
  document.addEventListener("askfirst:signed-in", signedIn);
  say("");
  open();

  return {
    close() {
      isClosed = true;
      window.clearTimeout(retry);
      document.removeEventListener("askfirst:signed-in", signedIn);
      events?.close();
      events = null;
      container.replaceChildren();
      container.classList.remove("captions");
    },
  };
}
