// Notes of the call that is going on: written to the server a moment after each change, tried again
// until it has them, so that neither a lost connection nor an ended session loses a word.
import { Refusal } from "./phone-core.js";

const PAUSE_MS = 800;
const AGAIN_MS = 3000;

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
    this.call = "";
    this.timer = 0;
    this.isDirty = false;
    /** The version that the server has; it refuses to write over a newer one. */
    this.version = 0;
    this.field.addEventListener("input", () => {
      this.isDirty = true;
      this.shown.textContent = "";
      this.soon(PAUSE_MS);
    });
  }

  /** Begin with what the server has of a call. @param {string} call */
  async follow(call) {
    if (this.call === call) return;
    this.call = call;
    this.isDirty = false;
    this.field.value = "";
    this.shown.textContent = "";
    try {
      const found = await this.core.ask(`/calls/${call}/notes`);
      this.version = found.version;
      if (!this.isDirty) this.field.value = found.notes;
    } catch {
      this.version = 0; // nothing was written yet, or it cannot be read now
    }
  }

  /** Write what is not written yet; the call is over. */
  async close() {
    clearTimeout(this.timer);
    if (this.isDirty) await this.save();
    if (!this.isDirty) this.call = "";
  }

  /** @param {number} ms */
  soon(ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), ms);
  }

  async save() {
    const notes = this.field.value;
    const body = { notes, version: this.version };
    try {
      const found = await this.core.ask(`/calls/${this.call}/notes`, "PUT", body);
      this.version = found.version;
      this.isDirty = this.field.value !== notes;
      this.shown.textContent = this.say.saved;
    } catch (error) {
      this.shown.textContent = this.say.unsaved;
      if (error instanceof Refusal && error.status === 409) await this.join();
      else this.soon(AGAIN_MS);
    }
  }

  /** Another window wrote meanwhile: keep its words and ours. */
  async join() {
    try {
      const found = await this.core.ask(`/calls/${this.call}/notes`);
      this.version = found.version;
      const mine = this.field.value;
      if (!mine.includes(found.notes)) this.field.value = `${found.notes}\n${mine}`;
      this.soon(PAUSE_MS);
    } catch {
      this.soon(AGAIN_MS);
    }
  }
}
