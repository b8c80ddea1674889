// Comments and clips beside the player: their times are places to go to, they stand in the lanes and
// at the lines of the transcript, and a field for a time takes that of the player. Without script,
// and on a page without a player, times are typed and read.

import { clock } from "./player.js";
import { make } from "./transcript.js";

class Coaching extends HTMLElement {
  connectedCallback() {
    const player = /** @type {any} */ (document.querySelector("askfirst-player"));
    this.player = player;
    if (!player?.picture) return;
    for (const time of this.querySelectorAll("time[data-at]")) this.lead(/** @type {HTMLElement} */ (time));
    for (const now of this.querySelectorAll("[data-now]")) this.offer(/** @type {HTMLElement} */ (now));
    this.mark();
  }

  disconnectedCallback() {
    // What took its place was there before and has marked its own.
    if (!document.querySelector("askfirst-coaching")) this.clear();
  }

  /** A time that leads to its place. @param {HTMLElement} time */
  lead(time) {
    if (time.parentElement?.matches(".player-jump")) return;
    const jump = make("button", "player-jump");
    jump.setAttribute("type", "button");
    jump.dataset.jump = time.dataset.at;
    time.replaceWith(jump);
    jump.append(time);
    jump.setAttribute("aria-label", `${this.player.picture.texts.jump} ${time.textContent}`);
  }

  /** A button that takes the player's time. @param {HTMLElement} now */
  offer(now) {
    now.hidden = false;
    now.addEventListener("click", () => {
      const field = /** @type {HTMLInputElement | null} */ (this.querySelector(`#${now.dataset.now}`));
      if (field) field.value = clock(this.player.position);
    });
  }

  /** Where the comments are, in the lanes and at the lines. */
  mark() {
    this.clear();
    const stage = this.player.querySelector(".player-stage");
    const lines = [...this.player.querySelectorAll("li[data-from]")];
    for (const thread of this.querySelectorAll("[data-comment]")) {
      const at = Number(/** @type {HTMLElement} */ (thread).dataset.comment);
      const mark = make("span", "player-mark is-comment");
      mark.style.left = `${(100 * at) / this.player.picture.end_ms}%`;
      stage?.append(mark);
      // Times are written in whole seconds, and a line may begin a little later.
      const line = lines.findLast((each) => Number(each.dataset.from) < at + 1000);
      line?.append(this.link(thread.id, at));
    }
  }

  /** @param {string} id @param {number} at */
  link(id, at) {
    const link = make("a", "line-comment", `✎ ${clock(at)}`);
    link.setAttribute("href", `#${id}`);
    link.setAttribute("hx-boost", "false");
    link.setAttribute("aria-label", `${this.dataset.open} ${clock(at)}`);
    return link;
  }

  clear() {
    for (const each of this.player?.querySelectorAll(".player-mark.is-comment, .line-comment") ?? []) {
      each.remove();
    }
  }
}

customElements.define("askfirst-coaching", Coaching);
