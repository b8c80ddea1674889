// What belongs to every page and to no call: focus and title after a navigation, the current entry
// of the navigation, messages, sign-in in place, theme, time zone, menus. It never touches the phone
// (#phone) or the light (#light). Other modules speak to it through events on document:
//   askfirst:message {text, kind}   shows a message (info, good, warning, error)
//   askfirst:signed-out {href?}     shows the sign-in form; also an HX-Trigger header with a 401
// and hear from it: askfirst:signed-in.

/** The nonce of this document; the only valid one for as long as the document lives. */
export const nonce = document.getElementById("shell")?.nonce ?? "";

const source = document.getElementById("shell-texts");
/** @type {Record<string, string>} */
const texts = source ? JSON.parse(source.textContent ?? "{}") : {};

/** Say something to screen readers, politely. @param {string} text */
export function announce(text) {
  const region = document.getElementById("announce");
  if (region) region.textContent = text;
}

/** Show a message above the page. @param {string} text @param {string} [kind] */
export function message(text, kind = "info") {
  const place = document.getElementById("messages");
  if (!place || !text) return;
  const box = document.createElement("div");
  box.className = `flash is-${kind}`;
  box.setAttribute("role", kind === "error" ? "alert" : "status");
  const words = document.createElement("p");
  box.append(words, closer(box));
  place.replaceChildren(box);
  // A live region speaks about changes after it was put in place.
  requestAnimationFrame(() => (words.textContent = text));
}

/** @param {HTMLElement} box */
function closer(box) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button button-quiet button-small flash-close";
  button.textContent = texts.close ?? "×";
  button.addEventListener("click", () => box.remove());
  return button;
}

/** Mark the entry whose address is the longest beginning of this page's address. */
function markCurrent() {
  const here = location.pathname;
  const links = [...document.querySelectorAll(".navigation a, .nav-menu nav a")];
  const fits = (/** @type {Element} */ link) => {
    const path = new URL(/** @type {HTMLAnchorElement} */ (link).href).pathname;
    return here === path || (path !== "/" && here.startsWith(`${path}/`)) ? path.length : 0;
  };
  const best = Math.max(1, ...links.map(fits));
  for (const link of links) {
    if (fits(link) === best) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function arrive() {
  for (const menu of document.querySelectorAll("details.menu[open]")) menu.removeAttribute("open");
  const heading = document.querySelector("#main h1");
  const target = /** @type {HTMLElement | null} */ (heading ?? document.getElementById("main"));
  if (heading) heading.setAttribute("tabindex", "-1");
  target?.focus({ preventScroll: true });
  const said = [...document.querySelectorAll("#main > .flash p")].map((each) => each.textContent);
  announce([...said, document.title].join(" "));
  markCurrent();
}

/** Whether an answer brings a page part; anything else must not replace the page. */
function bringsMain(/** @type {string} */ html) {
  return new DOMParser().parseFromString(html, "text/html").getElementById("main") !== null;
}

// Navigation by htmx

document.addEventListener("htmx:beforeRequest", (event) => {
  if (/** @type {CustomEvent} */ (event).detail.boosted) {
    document.getElementById("messages")?.replaceChildren();
  }
});

document.addEventListener("htmx:beforeSwap", (event) => {
  const detail = /** @type {CustomEvent} */ (event).detail;
  if (!detail.shouldSwap || detail.target?.id !== "main") return;
  if (bringsMain(detail.serverResponse)) return;
  detail.shouldSwap = false;
  message(texts.server_error, "error");
});

document.addEventListener("htmx:afterSettle", (event) => {
  if (/** @type {CustomEvent} */ (event).detail.target?.id === "main") arrive();
});

document.addEventListener("htmx:historyRestore", arrive);

document.addEventListener("htmx:historyCacheMissLoadError", (event) => {
  const { xhr } = /** @type {CustomEvent} */ (event).detail;
  if (xhr.status === 401) signIn(undefined, reload);
  else message(texts.server_error, "error");
});

for (const name of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, () => message(texts.no_connection, "error"));
}

/** Bring the page part that belongs to the address, after a step back that was refused. */
function reload() {
  const swap = { target: "#main", select: "#main", swap: "outerHTML" };
  globalThis.htmx?.ajax("GET", location.pathname + location.search, swap);
}

document.addEventListener("askfirst:message", (event) => {
  const { text, kind } = /** @type {CustomEvent} */ (event).detail;
  message(text, kind);
});

// Sign-in in place: the page keeps what was typed, the phone keeps its buttons.

document.addEventListener("askfirst:signed-out", (event) => {
  signIn(/** @type {CustomEvent} */ (event).detail?.href);
});

/** Where the person was when the sign-in form came. @type {HTMLElement | null} */
let left = null;

/** Show the sign-in form over the page part. @param {string} [href] @param {() => void} [then] */
async function signIn(href, then) {
  const dialog = /** @type {HTMLDialogElement | null} */ (document.getElementById("signin"));
  if (!dialog || dialog.open) return;
  const address = new URL(href ?? document.body.dataset.signin ?? "/sign-in", location.href);
  if (address.origin !== location.origin) return;
  left = /** @type {HTMLElement | null} */ (document.activeElement);
  dialog.show(); // not modal: hanging up must stay possible
  document.getElementById("main")?.setAttribute("inert", "");
  const answer = await ask(address);
  const found = answer && (await formIn(answer));
  if (found) showForm(dialog, found, address, then);
  else giveUp(dialog);
}

/** @param {URL} address @param {RequestInit} [how] */
async function ask(address, how) {
  const headers = { Accept: "text/html" };
  try {
    return await fetch(address, { ...how, headers, credentials: "same-origin" });
  } catch (error) {
    if (error instanceof TypeError) return null; // no connection
    throw error;
  }
}

/** Give the sign-in form of an answer and what it says about a try, if it has such a form. */
async function formIn(/** @type {Response} */ answer) {
  if (!answer.headers.get("Content-Type")?.startsWith("text/html")) return null;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const form = /** @type {HTMLFormElement | null} */ (page.getElementById("signin-fields"));
  return form && { form, notes: [...page.querySelectorAll("main .flash")] };
}

/**
 * @param {HTMLDialogElement} dialog @param {{form: HTMLFormElement, notes: Element[]}} found
 * @param {URL} address @param {() => void} [then]
 */
function showForm(dialog, found, address, then) {
  const shown = document.importNode(found.form, true);
  const notes = found.notes.map((note) => document.importNode(note, true));
  document.getElementById("signin-form")?.replaceChildren(...notes, shown);
  const first = shown.querySelector("[aria-invalid], [autofocus], input:not([type=hidden])");
  /** @type {HTMLElement | null} */ (first)?.focus();
  shown.addEventListener("submit", async (event) => {
    event.preventDefault();
    const to = new URL(shown.getAttribute("action") ?? "", address);
    if (to.origin !== location.origin) return;
    const sent = new FormData(shown, /** @type {SubmitEvent} */ (event).submitter);
    const answer = await ask(to, { method: "POST", body: new URLSearchParams([...sent]) });
    if (!answer) return message(texts.no_connection, "error");
    const next = await formIn(answer); // wrong password, or the second factor
    if (next) showForm(dialog, next, to, then);
    else if (answer.ok) signedIn(dialog, then);
    else message(texts.server_error, "error");
  });
}

/** @param {HTMLDialogElement} dialog @param {() => void} [then] */
function signedIn(dialog, then) {
  leave(dialog);
  message(texts.signed_in, "good");
  document.dispatchEvent(new CustomEvent("askfirst:signed-in"));
  then?.();
}

/** @param {HTMLDialogElement} dialog */
function giveUp(dialog) {
  leave(dialog);
  message(texts.server_error, "error");
}

/** @param {HTMLDialogElement} dialog */
function leave(dialog) {
  dialog.close();
  document.getElementById("signin-form")?.replaceChildren();
  document.getElementById("main")?.removeAttribute("inert");
  if (left?.isConnected) left.focus({ preventScroll: true });
}

// Theme without a new document; without script the same form is simply sent.

document.addEventListener("submit", async (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  const chosen = /** @type {HTMLButtonElement | null} */ (
    /** @type {SubmitEvent} */ (event).submitter
  );
  if (!form.matches("[data-theme-form]") || !chosen) return;
  event.preventDefault();
  document.documentElement.dataset.theme = chosen.value;
  for (const each of form.querySelectorAll("button")) {
    each.setAttribute("aria-pressed", String(each === chosen));
  }
  const body = new URLSearchParams([...new FormData(form, chosen)]);
  const answer = await ask(new URL(form.action), { method: "POST", body, redirect: "manual" });
  if (!answer?.ok && answer?.type !== "opaqueredirect") message(texts.no_connection, "error");
});

// The time zone of the next page; only the browser knows it, and the server checks the name.

/** @param {string | undefined} zone */
function keepZone(zone) {
  if (!zone || document.cookie.split("; ").includes(`time_zone=${zone}`)) return;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `time_zone=${zone}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
}

keepZone(Intl.DateTimeFormat().resolvedOptions().timeZone);

// Menus close on Escape and on a click beside them.

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(/** @type {Node} */ (event.target))) menu.removeAttribute("open");
  }
});

document.addEventListener("keydown", (event) => {
  const menu = document.querySelector("details.menu[open]");
  if (event.key !== "Escape" || !menu) return;
  menu.removeAttribute("open");
  /** @type {HTMLElement | null} */ (menu.querySelector("summary"))?.focus();
});
