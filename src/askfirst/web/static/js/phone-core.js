// What the phone knows of its call, without a page: the state that the server reports, and which
// window of a person has the phone. Events: "state", "lost", "leads", "ringing", "signed-out".
const SILENT_MS = 2500; // the server says once a second that a quiet call is alive
const IDLE_MS = 10_000; // without a call nothing is heard by itself, so it is asked
const ANSWER_MS = 5000; // a line that was cut gives no error by itself
const LOCK = "askfirst-phone";

/** What the server answered instead of what was asked for. */
export class Refusal extends Error {
  /** @param {string} words @param {number} status */
  constructor(words, status) {
    super(words);
    this.status = status;
  }
}

export class PhoneCore extends EventTarget {
  constructor() {
    super();
    /** The newest state, null before the first. @type {any} */
    this.state = null;
    /** Whether the light is known: false until the server spoke and after it fell silent. */
    this.isKnown = false;
    /** Whether this window has the phone; others show what it tells them. */
    this.leads = false;
    /** Demo contacts that can be called. @type {{to: string, name: string}[]} */
    this.contacts = [];
    /** Calls from outside that ring here. @type {{id: string, number: string, name: string}[]} */
    this.ringing = [];
    /** Whether this person takes no calls. */
    this.isAway = false;
    /** @type {EventSource | null} */
    this.ears = null;
    /** @type {EventSource | null} */
    this.events = null;
    this.silence = 0;
    this.retry = 0;
    /** One more for each thing that decides which call there is; answers asked for before are old. */
    this.turn = 0;
    this.channel = new BroadcastChannel(LOCK);
    this.channel.onmessage = ({ data }) => this.told(data);
  }

  /** Whether a call is going on. */
  get isLive() {
    return this.state !== null && !this.state.settled;
  }

  /** Begin: look for a call, and wait for the phone where another window has it. */
  start() {
    void this.queue(false);
    void this.arrive();
  }

  /** Take the phone from another window, and return when this one has it. */
  takeOver() {
    return this.queue(true);
  }

  /** Return when this window has the phone. @param {boolean} steal */
  async queue(steal) {
    if (!navigator.locks) {
      this.lead(true);
      return;
    }
    await new Promise((resolve) => {
      const held = navigator.locks.request(LOCK, { steal }, () => {
        this.lead(true);
        resolve(undefined);
        return new Promise(() => undefined); // until the window closes or another one takes it
      });
      held.catch(() => {
        this.lead(false);
        void this.queue(false);
      });
    });
  }

  /** @param {boolean} on */
  lead(on) {
    this.leads = on;
    this.dispatchEvent(new Event("leads"));
    if (on) void this.arrive();
    else this.leave();
  }

  leave() {
    this.events?.close();
    this.events = null;
    this.ears?.close();
    this.ears = null;
    if (this.ringing.length) this.ring([]);
  }

  /** Hear what rings, as long as this window has the phone and there is no call. */
  listen() {
    if (!this.leads || this.ears) return;
    this.ears = new EventSource("/api/v1/phone/events");
    this.ears.addEventListener("message", ({ data }) => {
      const found = JSON.parse(data);
      this.isAway = found.away;
      this.ring(found.ringing);
      if (found.call) void this.arrive();
    });
    this.ears.addEventListener("error", () => {
      this.ring([]);
      if (this.ears?.readyState === EventSource.CLOSED) this.ears = null; // tried again when idle
    });
  }

  /** @param {{id: string, number: string, name: string}[]} ringing */
  ring(ringing) {
    this.ringing = ringing;
    this.dispatchEvent(new Event("ringing"));
  }

  /** Ask the server which call there is, and follow it. */
  async arrive() {
    this.events?.close();
    this.events = null;
    const turn = this.begin();
    try {
      const found = await this.ask("/phone", "GET", undefined, AbortSignal.timeout(ANSWER_MS));
      this.contacts = found.contacts;
      this.isAway = found.away;
      this.dispatchEvent(new Event("contacts"));
      if (turn !== this.turn) return; // a call was placed or found meanwhile
      if (found.call) this.follow(found.call);
      else if (this.isLive) await this.showOver(turn);
      else this.show(null);
      if (!found.call) this.listen();
    } catch (error) {
      if (turn !== this.turn) return;
      this.lose();
      // Whoever is signed out is asked to sign in, once; then the page calls `arrive` again.
      if (!(error instanceof Refusal && error.status === 401)) {
        this.retry = setTimeout(() => this.arrive(), SILENT_MS);
      }
    }
  }

  /** The call is over, and its end did not come here: show it, and whether we were what failed.
   * @param {number} turn */
  async showOver(turn) {
    const call = this.state.call;
    const over = { ...this.state, light: "off", settled: true };
    try {
      const past = await this.ask(`/calls/${call}`, "GET", undefined, AbortSignal.timeout(ANSWER_MS));
      if (past.timeline.at(-1)?.because === "failed") over.ended_by = "provider-error";
    } catch (error) {
      // It is over all the same; or it is somebody else's now, and not shown to us any more.
      if (error instanceof Refusal && error.status === 403) over.handed_to = this.state.offer?.name ?? "";
    }
    if (turn === this.turn) this.show(over);
  }

  /** Call a number; `audio` is browser or script, `shown` the number that they see, "" the usual one.
   * @param {string} to @param {string} audio @param {string} shown @param {boolean} isPrivate */
  dial(to, audio, shown, isPrivate) {
    const how = { agent_audio: audio, caller_id: shown || null, private: isPrivate };
    return this.enter("/calls", { to, ...how });
  }

  /** Take a call that rings; the sound is the browser's. @param {string} ringing */
  take(ringing) {
    return this.enter(`/phone/ringing/${ringing}/answer`, { agent_audio: "browser" });
  }

  /** Ask for a call and follow it. @param {string} path @param {object} body */
  async enter(path, body) {
    this.begin();
    try {
      const first = await this.ask(path, "POST", body);
      this.follow(first);
    } catch (error) {
      void this.arrive(); // what was asked before is not listened to any more
      throw error;
    }
  }

  /** Begin to find out which call there is; gives the turn. */
  begin() {
    clearTimeout(this.retry);
    this.turn += 1;
    return this.turn;
  }

  /** @param {any} first */
  follow(first) {
    this.leave();
    this.begin();
    this.show(first);
    if (!this.leads) {
      this.channel.postMessage({ kind: "hello" });
      return;
    }
    this.events = new EventSource(`/api/v1/calls/${first.call}/events`);
    this.events.addEventListener("message", (event) => this.show(JSON.parse(event.data)));
    this.events.addEventListener("alive", () => this.heard());
    this.events.addEventListener("error", () => {
      this.lose();
      // A stream that the server ended is a call that is over, or one that we no longer reach.
      if (this.events?.readyState === EventSource.CLOSED) void this.arrive();
    });
  }

  /** @param {any} state */
  show(state) {
    // Of a call that a colleague has taken we hear no more than that.
    this.state = state?.handed_to === undefined ? state : { ...this.state, ...state };
    this.isKnown = true;
    clearTimeout(this.silence);
    clearTimeout(this.retry);
    if (this.isLive) {
      this.heard();
    } else {
      this.events?.close();
      this.events = null;
      this.retry = setTimeout(() => this.arrive(), IDLE_MS);
    }
    if (this.leads) this.channel.postMessage({ kind: "state", state });
    this.dispatchEvent(new Event("state"));
  }

  /** News came: the light is known until it has been silent for too long. */
  heard() {
    const wasKnown = this.isKnown;
    this.isKnown = true;
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.lose(), SILENT_MS);
    if (this.leads) this.channel.postMessage({ kind: "alive" });
    if (!wasKnown) this.dispatchEvent(new Event("state"));
  }

  lose() {
    this.isKnown = false;
    clearTimeout(this.silence);
    this.dispatchEvent(new Event("lost"));
  }

  /** Another window told something. @param {any} data */
  told(data) {
    if (this.leads) {
      // What is not known here must not be taken for known there.
      if (data.kind === "hello" && this.isKnown) {
        this.channel.postMessage({ kind: "state", state: this.state });
      }
      if (data.kind === "dialled") void this.arrive();
    } else if (data.kind === "state") {
      this.begin();
      this.show(data.state);
    } else if (data.kind === "alive" && this.isLive) {
      this.heard();
    }
  }

  /** Do something in the call. @param {string} path @param {string} [method] @param {object} [body] */
  act(path, method = "POST", body) {
    return this.ask(`/calls/${this.state.call}${path}`, method, body);
  }

  /** @param {string} path @param {string} [method] @param {object} [body] @param {AbortSignal} [signal] */
  async ask(path, method = "GET", body, signal) {
    const answer = await fetch(`/api/v1${path}`, {
      method,
      signal,
      headers: body ? { "content-type": "application/json" } : {},
      body: body ? JSON.stringify(body) : undefined,
    });
    const isJson = answer.headers.get("content-type")?.includes("json");
    const found = isJson ? await answer.json() : {};
    if (answer.ok) return found;
    if (answer.status === 401) this.dispatchEvent(new Event("signed-out"));
    throw new Refusal(found.detail ?? "", answer.status);
  }
}
