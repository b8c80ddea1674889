// Passkeys: asks the server what to ask for, the browser for an answer, and sends the form around
// the button with it. Where the browser has no passkeys, the buttons stay hidden (forms.css).

/** @param {string} text */
function bytes(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (each) => each.charCodeAt(0));
}

/** @param {ArrayBuffer | null | undefined} buffer */
function text(buffer) {
  if (!buffer) return undefined;
  const plain = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** What the server asks for, with its texts as bytes. @param {any} options */
function asked(options) {
  const decoded = (/** @type {any[] | undefined} */ list) =>
    (list ?? []).map((each) => ({ ...each, id: bytes(each.id) }));
  const found = { ...options, challenge: bytes(options.challenge) };
  if (options.user) found.user = { ...options.user, id: bytes(options.user.id) };
  if (options.excludeCredentials) found.excludeCredentials = decoded(options.excludeCredentials);
  if (options.allowCredentials) found.allowCredentials = decoded(options.allowCredentials);
  return found;
}

/** What the browser answers, with its bytes as texts. @param {any} credential */
function answered(credential) {
  const { clientDataJSON, attestationObject, authenticatorData, signature, userHandle } =
    credential.response;
  return JSON.stringify({
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    response: {
      clientDataJSON: text(clientDataJSON),
      attestationObject: text(attestationObject),
      authenticatorData: text(authenticatorData),
      signature: text(signature),
      userHandle: text(userHandle),
    },
  });
}

/** @param {HTMLElement} place */
async function ask(place) {
  const answer = await fetch(place.dataset.ask ?? "", { method: "POST" });
  if (!answer.ok) return null;
  const publicKey = asked(await answer.json());
  try {
    return place.dataset.passkey === "create"
      ? await navigator.credentials.create({ publicKey })
      : await navigator.credentials.get({ publicKey });
  } catch (error) {
    if (error instanceof DOMException) return null; // the person thought better of it
    throw error;
  }
}

document.addEventListener("click", async (event) => {
  const target = /** @type {Element} */ (event.target);
  const button = /** @type {HTMLButtonElement | null} */ (target.closest("[data-passkey] button"));
  const place = /** @type {HTMLElement | null} */ (button?.closest("[data-passkey]") ?? null);
  const form = button?.form;
  if (!button || !place || !form) return;
  const makes = place.dataset.passkey === "create";
  if (makes && !form.reportValidity()) return;
  const note = /** @type {HTMLElement} */ (place.querySelector(".error"));
  note.hidden = true;
  button.disabled = true;
  const credential = await ask(place).catch(() => null);
  button.disabled = false;
  if (!credential) {
    note.hidden = false;
    note.textContent = place.dataset.failed ?? "";
    return;
  }
  const field = /** @type {HTMLInputElement} */ (place.querySelector("input[name=passkey]"));
  field.value = answered(credential);
  form.noValidate = true; // a passkey stands in for what else the form asks
  form.requestSubmit();
});

if (window.PublicKeyCredential) document.documentElement.dataset.passkeys = "yes";
