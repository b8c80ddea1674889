// The phone beside every page. It shows what the call's own events say and nothing else: the light
// is what the server reports from the media path, and "unknown" as soon as that is not known. It
// lives in #phone, outside of what a navigation replaces.
import { announce, message } from "./shell.js";

const SILENT_MS = 2500; // the server says once a second that a quiet call is alive

const root = document.getElementById("phone");
const source = document.getElementById("phone-texts");
/** @type {Record<string, any>} */
const texts = source ? JSON.parse(source.textContent ?? "{}") : {};

/** @param {string} name */
const part = (name) => /** @type {HTMLElement} */ (root?.querySelector(`[data-phone="${name}"]`));

/** @type {any} */
let state = null;
/** @type {EventSource | null} */
let events = null;
let silence = 0;
let names = /** @type {Record<string, string>} */ ({});

/** @param {string} path @param {string} method @param {object} [body] */
async function ask(path, method = "GET", body) {
  const answer = await fetch(`/api/v1${path}`, {
    method,
    headers: body ? { "content-type": "application/json" } : {},
    body: body ? JSON.stringify(body) : undefined,
  });
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.detail ?? texts.failed, { cause: answer.status });
  return found;
}

/** Whether there is nobody signed in; then the page asks. @param {unknown} error */
function isSignedOut(error) {
  const is = error instanceof Error && error.cause === 401;
  if (is) document.dispatchEvent(new CustomEvent("askfirst:signed-out"));
  return is;
}

/** @param {unknown} error */
function complain(error) {
  if (isSignedOut(error)) return;
  message(error instanceof Error ? error.message : texts.failed, "error");
}

/** @param {string} path @param {string} [method] @param {object} [body] */
async function act(path, method = "POST", body) {
  try {
    await ask(`/calls/${state.call}${path}`, method, body);
  } catch (error) {
    complain(error);
  }
}

/** @param {string} kind off, waiting, recording or unknown */
function shine(kind) {
  for (const lamp of document.querySelectorAll("#light, #phone .light")) {
    lamp.classList.remove("light-off", "light-waiting", "light-recording", "light-unknown");
    lamp.classList.add(`light-${kind}`);
  }
}

function lost() {
  shine("unknown");
  part("status").textContent = texts.lost;
}

/** News came: the light is known until it has been silent for too long. */
function heard() {
  clearTimeout(silence);
  silence = window.setTimeout(lost, SILENT_MS);
}

/** What goes on, and why nothing is recorded where that is so. @param {any} shown */
function doing(shown) {
  if (!shown.answered) return texts.ringing;
  const why = shown.light === "off" && shown.wanted ? texts.causes[shown.because] : "";
  return why ? `${texts.talking}: ${why}` : texts.talking;
}

/** @param {any} shown */
function show(shown) {
  state = shown;
  heard();
  shine(shown.light);
  const live = !shown.settled;
  part("dial").hidden = live;
  part("controls").hidden = !live;
  part("status").textContent = live ? doing(shown) : texts.none;
  const record = root?.querySelector('[data-call="record"]');
  record?.setAttribute("aria-pressed", String(shown.wanted));
  const hold = root?.querySelector('[data-call="hold"]');
  hold?.setAttribute("aria-pressed", String(shown.holds.length > 0));
  part("object").hidden = !(live && shown.light === "recording");
  showConsent(live);
  showSentences(live ? shown.sentences : []);
  showPeople(live ? shown.parties : []);
  if (!live) end();
}

/** @param {boolean} live */
function showConsent(live) {
  const decision = state.decision;
  const isForbidden = decision?.mode === "forbid";
  const isOwed = live && state.answered && decision && (isForbidden || state.light === "waiting");
  part("consent").hidden = !isOwed;
  if (!isOwed) return;
  const word = isForbidden ? "forbid" : decision.asks ? "ask" : "tell";
  part("rule").textContent = texts[word];
  part("answers").hidden = word !== "ask";
  part("notice").textContent = isForbidden ? "" : decision.say.text;
  part("notice").lang = decision.say.language;
  const place = decision.governing[0];
  part("why").setAttribute("href", place ? `/rules/${place}` : "/rules");
}

/** @param {{id: string, text: string}[]} offered */
function showSentences(offered) {
  part("saying").hidden = offered.length === 0;
  part("sentences").replaceChildren(
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
  part("people").hidden = people.length === 0;
  part("parties").replaceChildren(
    ...people.map((each) => {
      const line = document.createElement("li");
      const who = document.createElement("span");
      const where = document.createElement("span");
      who.textContent = each.role === "agent" ? texts.agent : texts.contact;
      where.textContent = each.places.join(", ") || texts.unknown;
      line.append(who, where);
      return line;
    }),
  );
}

function end() {
  events?.close();
  events = null;
  clearTimeout(silence);
  part("who").textContent = texts.phone;
  announce(texts.none);
}

/** @param {any} first */
function follow(first) {
  part("who").textContent = names[first.to] ?? first.to ?? texts.phone;
  show(first);
  events = new EventSource(`/api/v1/calls/${first.call}/events`);
  events.addEventListener("message", (event) => {
    show(JSON.parse(event.data));
  });
  events.addEventListener("alive", heard);
  events.addEventListener("error", async () => {
    lost();
    // A stream that the server ended is a call that is over, or one that we no longer reach.
    if (events?.readyState === EventSource.CLOSED) await arrive();
  });
}

async function arrive() {
  events?.close();
  events = null;
  try {
    const found = await ask("/phone");
    names = Object.fromEntries(found.contacts.map((/** @type {any} */ each) => [each.to, each.name]));
    part("to").replaceChildren(
      ...found.contacts.map((/** @type {any} */ each) => new Option(each.name, each.to)),
    );
    if (found.call) follow(found.call);
    else if (state && !state.settled) show({ ...state, light: "off", settled: true });
    else shine("off");
  } catch (error) {
    lost();
    // Whoever is signed out is asked to sign in, once; `askfirst:signed-in` brings us back.
    if (!isSignedOut(error)) window.setTimeout(arrive, SILENT_MS);
  }
}

/** @param {HTMLElement} clicked */
async function click(clicked) {
  const { call, answer, sentence } = clicked.dataset;
  if (answer) await act("/consents", "POST", { kind: answer });
  else if (sentence) await act("/sentences", "POST", { sentence });
  else if (call === "record") await act("/record", state.wanted ? "DELETE" : "POST");
  else if (call === "hold" && state.holds.length) await act(`/holds/${state.holds[0]}`, "DELETE");
  else if (call === "hold") await act("/holds", "POST", { reason: "private" });
  else if (call) await act(`/${call}`);
}

root?.addEventListener("click", (event) => {
  const target = /** @type {Element} */ (event.target);
  const clicked = /** @type {HTMLElement | null} */ (
    target.closest("[data-call], [data-answer], [data-sentence]")
  );
  if (clicked && state) void click(clicked);
  const toggle = target.closest(".dock-toggle");
  if (!toggle) return;
  const isSheet = toggle.classList.contains("dock-toggle-sheet");
  const on = root.classList.toggle(isSheet ? "is-open" : "is-folded");
  toggle.setAttribute("aria-expanded", String(on === isSheet));
});

part("dial").addEventListener("submit", async (event) => {
  event.preventDefault();
  const to = /** @type {HTMLSelectElement} */ (part("to")).value;
  try {
    follow(await ask("/calls", "POST", { to }));
  } catch (error) {
    complain(error);
  }
});

window.addEventListener("beforeunload", (event) => {
  if (state && !state.settled) event.preventDefault();
});
document.addEventListener("askfirst:signed-in", () => void arrive());
void arrive();
