// Notes of the call that goes on: written to the server a moment after each change, tried again until
// it has them. Each call has a draft of its own, which stays until the server has it also where the
// next call has begun; a window that is closed with a draft asks first.
import { Refusal } from "./phone-core.js";

const PAUSE_MS = 800;
const AGAIN_MS = 3000;

/**
 * What is written about one call. `version` is the one that the server has; it refuses to write over
 * a newer one.
 * @typedef {{call: string, text: string, version: number, isDirty: boolean, isSaving: boolean,
 *   hasFailed: boolean, timer: number}} Draft
 */

export class Notes {
  /**
   * @param {import("./phone-core.js").PhoneCore} core @param {HTMLElement} field
   * @param {HTMLElement} state where it says whether they are saved
   * @param {Record<string, string>} say
   */
  constructor(core, field, state, say) {
    this.core = core;
    this.field = /** @type {HTMLTextAreaElement} */ (field);
    this.shown = state;
    this.say = say;
    /** What the field shows. @type {Draft | null} */
    this.draft = null;
    /** Every draft that the server may not have, by its call. @type {Map<string, Draft>} */
    this.drafts = new Map();
    this.field.addEventListener("input", () => this.write());
  }

  /** Whether there are words that the server does not have. */
  get isPending() {
    return [...this.drafts.values()].some((each) => each.isDirty);
  }

  /** Begin with what the server has of a call. @param {string} call */
  async follow(call) {
    if (this.draft?.call === call) return;
    const draft = this.drafts.get(call) ?? {
      call, text: "", version: 0, isDirty: false, isSaving: false, hasFailed: false, timer: 0,
    };
    this.drafts.set(call, draft);
    this.draft = draft;
    this.field.value = draft.text;
    this.tell();
    try {
      await this.load(draft);
    } catch {
      // Nothing was written yet, or it cannot be read now: a save finds out.
    }
  }

  /** Write what is not written yet; the call is over. */
  async close() {
    const draft = this.draft;
    if (!draft) return;
    this.draft = null;
    if (draft.isDirty) await this.save(draft);
    this.forget(draft);
  }

  /** What is in the field has changed. */
  write() {
    if (!this.draft) return;
    this.draft.text = this.field.value;
    this.draft.isDirty = true;
    this.shown.textContent = "";
    this.soon(this.draft, PAUSE_MS);
  }

  /** @param {Draft} draft @param {number} ms */
  soon(draft, ms) {
    clearTimeout(draft.timer);
    draft.timer = setTimeout(() => this.save(draft), ms);
  }

  /** @param {Draft} draft */
  async save(draft) {
    clearTimeout(draft.timer);
    if (draft.isSaving) {
      this.soon(draft, PAUSE_MS); // one after the other, or the second would be refused
      return;
    }
    draft.isSaving = true;
    const notes = draft.text;
    const body = { notes, version: draft.version };
    try {
      const found = await this.core.ask(`/calls/${draft.call}/notes`, "PUT", body);
      draft.version = found.version;
      draft.isDirty = draft.text !== notes;
      draft.hasFailed = false;
      this.tell(draft.isDirty ? "" : this.say.saved);
    } catch (error) {
      draft.hasFailed = true;
      this.tell();
      await this.join(draft, error);
    } finally {
      draft.isSaving = false;
    }
    this.forget(draft);
  }

  /** Try again; where another window wrote meanwhile, with its words and ours. @param {Draft} draft @param {unknown} error */
  async join(draft, error) {
    let wait = AGAIN_MS;
    if (error instanceof Refusal && error.status === 403) {
      // A colleague has the call, and writes about it from now on.
      draft.isDirty = draft.hasFailed = false;
      this.tell(this.say.notes_refused);
      return;
    }
    if (error instanceof Refusal && error.status === 409) {
      try {
        await this.load(draft);
        wait = PAUSE_MS;
      } catch {
        // It is asked again by the next try.
      }
    }
    this.soon(draft, wait);
  }

  /** Take what the server has, and keep what it does not. @param {Draft} draft */
  async load(draft) {
    const found = await this.core.ask(`/calls/${draft.call}/notes`);
    if (found.version < draft.version) return; // a save was faster
    draft.version = found.version;
    if (!draft.isDirty) draft.text = found.notes;
    else if (!draft.text.includes(found.notes)) draft.text = `${found.notes}\n${draft.text}`;
    if (draft === this.draft && this.field.value !== draft.text) this.field.value = draft.text;
  }

  /** A draft that is over and saved is needed no more. @param {Draft} draft */
  forget(draft) {
    if (draft !== this.draft && !draft.isDirty && !draft.isSaving) this.drafts.delete(draft.call);
  }

  /** Say what is not saved, or else the given words. @param {string} [words] */
  tell(words = "") {
    const isOld = [...this.drafts.values()].some((each) => each.hasFailed && each !== this.draft);
    const unsaved = this.draft?.hasFailed ? this.say.unsaved : isOld ? this.say.unsaved_before : "";
    this.shown.textContent = unsaved || words;
  }
}
