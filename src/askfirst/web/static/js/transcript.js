// The transcript of a recording: the line and the word that are played, and what is searched for. It
// knows no sound; the player tells it the moment, in call time, and takes what is chosen here
// ([data-jump]) as a place to go on from.

/** @typedef {{row: HTMLElement, said: HTMLElement, text: string, from: number, until: number,
 *   words: [string, number, number, 1?][], rest: Node[]}} Line a field to correct has no `rest` */

const LINGERS_MS = 1500; // a line stays marked in a short silence after it

/** An element with a class and words. @param {string} tag @param {string} name @param {string} [text] */
export function make(tag, name, text = "") {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = text;
  return made;
}

export class Transcript {
  /** @param {HTMLElement} host what holds the lines, the field and the count
   * @param {{found: string, jump: string}} texts @param {AbortSignal} signal ends what it listens to */
  constructor(host, texts, signal) {
    this.host = host;
    this.texts = texts;
    /** @type {Line[]} */
    this.lines = [...host.querySelectorAll("li[data-from]")].map((row) => this.line(row));
    this.active = -1;
    this.query = "";
    this.hit = 0;
    const field = /** @type {HTMLInputElement | null} */ (host.querySelector("[data-find]"));
    field?.closest("[hidden]")?.removeAttribute("hidden");
    field?.addEventListener("input", () => this.find(field.value), { signal });
    field?.addEventListener("keydown", (event) => event.key === "Enter" && this.next(), { signal });
  }

  /** @param {Element} row @returns {Line} */
  line(row) {
    const { from, until, words } = /** @type {HTMLElement} */ (row).dataset;
    const said = /** @type {HTMLElement} */ (row.querySelector(".line-text"));
    const time = row.querySelector("time");
    const jump = make("button", "player-jump");
    jump.setAttribute("type", "button");
    jump.dataset.jump = from;
    time?.replaceWith(jump);
    if (time) jump.append(time);
    jump.setAttribute("aria-label", `${this.texts.jump} ${time?.textContent}`);
    return {
      row: /** @type {HTMLElement} */ (row), said, text: said.textContent ?? "",
      from: Number(from), until: Number(until), words: JSON.parse(words ?? "[]"),
      rest: said instanceof HTMLTextAreaElement ? [] : [...said.childNodes],
    };
  }

  /** Mark the line of a moment, and the word in it. @param {number} at @param {boolean} isPlaying */
  follow(at, isPlaying) {
    let found = this.lines.findLastIndex((line) => line.from <= at);
    if (found >= 0 && at > this.lines[found].until + LINGERS_MS) found = -1;
    if (found !== this.active) {
      const [old, now] = [this.lines[this.active], this.lines[found]];
      this.active = found;
      old?.row.removeAttribute("aria-current");
      if (old) this.write(old);
      now?.row.setAttribute("aria-current", "true");
      if (now) this.write(now);
      if (now && isPlaying) this.reveal(now.row);
    }
    const line = this.lines[found];
    if (!line || line.said.childElementCount !== line.words.length) return;
    const word = line.words.findLastIndex(([, from]) => from <= at);
    [...line.said.children].forEach((each, index) => each.classList.toggle("is-now", index === word));
  }

  /** Write a line's words: to be chosen one by one where it is played, with what was searched for
   * where something was. @param {Line} line */
  write(line) {
    if (!line.rest.length) return 0;
    if (this.query) return this.mark(line);
    if (this.lines[this.active] !== line || !line.words.length) {
      line.said.replaceChildren(...line.rest);
      return 0;
    }
    const parts = line.words.flatMap(([text, from, , unsure]) => {
      const word = make("span", unsure ? "player-word unsure" : "player-word", text);
      word.dataset.jump = String(from);
      return [word, " "];
    });
    line.said.replaceChildren(...parts.slice(0, -1));
    return 0;
  }

  /** @param {Line} line @returns {number} how often what is searched for stands in it */
  mark(line) {
    const parts = [];
    let [at, count] = [0, 0];
    const low = line.text.toLowerCase();
    for (let hit = low.indexOf(this.query); hit >= 0; hit = low.indexOf(this.query, at)) {
      parts.push(line.text.slice(at, hit), make("mark", "", line.text.slice(hit, hit + this.query.length)));
      at = hit + this.query.length;
      count += 1;
    }
    line.said.replaceChildren(...parts, line.text.slice(at));
    return count;
  }

  /** @param {string} text */
  find(text) {
    this.query = text.trim().toLowerCase();
    const count = this.lines.reduce((sum, line) => sum + (this.write(line) ?? 0), 0);
    const told = this.host.querySelector("[data-found]");
    if (told) told.textContent = this.query ? `${count} ${this.texts.found}` : "";
    this.next(true);
  }

  /** Show the next place that was found. @param {boolean} [first] */
  next(first = false) {
    const hits = [...this.host.querySelectorAll("mark")];
    this.hit = first ? 0 : (this.hit + 1) % Math.max(1, hits.length);
    const row = hits[this.hit]?.closest("li");
    if (row) this.reveal(row);
  }

  /** Scroll the transcript, and never the page, to a row. @param {HTMLElement} row */
  reveal(row) {
    const box = /** @type {HTMLElement | null} */ (row.closest(".player-text"));
    if (!box) return;
    const show = () => {
      const [top, seen] = [row.offsetTop, box.scrollTop]; // the box is what a row counts from
      const isSeen = top >= seen && top + row.offsetHeight <= seen + box.clientHeight;
      if (!isSeen) box.scrollTop = top - box.clientHeight / 3;
    };
    show();
    requestAnimationFrame(show); // rows get their true height only when they come into sight
  }

  /** Where the line before or after a moment begins; the moment where there is none.
   * @param {number} at @param {number} step */
  beside(at, step) {
    const here = this.lines.findLastIndex((line) => line.from <= at);
    return this.lines[Math.min(Math.max(here + step, 0), this.lines.length - 1)]?.from ?? at;
  }
}
