// What the consent panel shows for a state of the call. It decides nothing: the server's facts do.

/** Which answers and acts each kind of panel offers, by their data-answer and data-call. */
const OFFERS = /** @type {Record<string, {answers: string[], acts: string[]}>} */ ({
  ask: { answers: ["agreed", "refused"], acts: ["telling", "ask-keypad", "not-now"] },
  key: { answers: ["announcement", "refused"], acts: ["telling", "not-now"] },
  tell: { answers: ["informed", "refused"], acts: ["telling", "play", "not-now"] },
  remind: { answers: ["informed"], acts: ["cancel"] },
  no: { answers: [], acts: ["change-answer"] },
  changed: { answers: ["agreed", "refused"], acts: [] },
  may: { answers: [], acts: ["record"] },
});

const PLAYED = new Set(["announcement", "ask-keypad", "play"]);

/**
 * The kind of panel for a state, "" for none.
 * @param {any} state @param {{isLaid: boolean, isChanging: boolean}} own what this window remembers
 */
export function kindOf(state, own) {
  if (!state.answered || state.settled || state.light === "recording") return "";
  // Whoever is beside the call is not who is asked: their yes must not be taken for the others'.
  if (state.consultation && state.consultation.stage !== "over") return "";
  const decision = state.decision;
  if (!decision) return "";
  if (state.private) return "private";
  if (!state.switch_on) return "off";
  if (decision.mode === "forbid") return "forbid";
  if (state.because === "not-acknowledged") return lacking(state);
  if (state.because === "machine") return "machine";
  if (state.because === "refused" || state.because === "withdrawn") {
    return own.isChanging ? "changed" : "no";
  }
  if (state.owed.length === 0) return state.wanted ? "" : "may";
  // The other product's behaviour: nothing is shown before Record, and then a reminder.
  if (decision.profile === "hubspot-2023") return state.wanted ? "remind" : "";
  if (own.isLaid && !state.wanted) return "";
  if (!decision.asks) return "tell";
  return state.needs_key ? "key" : "ask";
}

/**
 * The kind of panel for somebody of us with whom not everything is settled.
 * @param {any} state
 */
function lacking(state) {
  const kinds = /** @type {Record<string, string>} */ ({
    notice: "unread",
    agreement: "disagreed",
    site: "unsettled",
  });
  return kinds[state.lacks[0]] ?? "others";
}

/**
 * Title and text of a panel.
 * @param {string} kind @param {any} state @param {Record<string, string>} say @param {string} place
 * @param {{newPlace: string}} own
 */
export function wordsOf(kind, state, say, place, own) {
  const fill = (/** @type {string} */ text) => text.replaceAll("{place}", place);
  if (kind === "no" || kind === "changed") {
    const text = state.because === "withdrawn" ? say.withdrawn_text : say.no_text;
    return { title: say.no, text };
  }
  if (kind === "may" && state.decision.mode !== "auto") return { title: say.may, text: say.met_text };
  const isQuestion = ["ask", "key", "tell"].includes(kind);
  if (isQuestion && state.telling === "agent") return { title: say.telling, text: say.telling_text };
  if (isQuestion && state.telling) return { title: say.telling, text: say.asking_text };
  if (isQuestion && Math.max(...state.owed) > 1) {
    return { title: say.new_person, text: say.new_person_text };
  }
  if (isQuestion && own.newPlace) {
    return { title: say.new_place, text: say.new_place_text.replaceAll("{place}", own.newPlace) };
  }
  const name = kind === "key" ? "ask" : kind;
  const first = isQuestion && kind !== "tell" && !state.wanted ? `${fill(say.ask_first)} ` : "";
  return { title: say[name], text: first + fill(say[`${name}_text`]) };
}

/**
 * Show or hide the panel's buttons for its kind; what plays an announcement only where there is one.
 * @param {HTMLElement} panel @param {string} kind @param {boolean} lacksPrompt
 */
export function offer(panel, kind, lacksPrompt) {
  const { answers, acts } = OFFERS[kind] ?? { answers: [], acts: [] };
  const shown = new Set([...answers, ...acts].filter((each) => !lacksPrompt || !PLAYED.has(each)));
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (
    panel.querySelectorAll("[data-answer], [data-call]")
  )) {
    button.hidden = !shown.has(button.dataset.answer ?? button.dataset.call ?? "");
  }
  /** @type {HTMLElement} */ (panel.querySelector(".pair")).hidden = answers.length === 0;
}
