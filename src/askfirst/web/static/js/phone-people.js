// Who is on the line and where; a place that somebody turns out to be in.
import { core, part, say } from "./phone-page.js";

/** @type {Map<string, string>} */
let placeNames = new Map();

/** The name of a place, undefined for one that is not known. @param {string} code */
export const placeName = (code) => placeNames.get(code);

/** The first of some places that has a page of rules; any, before the names are there. @param {string[]} codes */
export const firstKnown = (codes) => codes.find((code) => !placeNames.size || placeNames.has(code));

/** Fetch the names of all places. */
export async function learnPlaces() {
  const answer = await fetch(`/phone/places?lang=${document.documentElement.lang}`);
  if (!answer.ok) return;
  placeNames = new Map(await answer.json());
  const first = part("place").querySelector("option") ?? new Option();
  part("place").replaceChildren(
    first,
    ...[...placeNames].map(([code, name]) => new Option(name, code)),
  );
}

/** Whether somebody is whose call it is, or who was called. @param {any} person */
const isMain = (person) => (person.role === "agent" ? person.has_call : person.party < 2);

/** What somebody is called here; who joined has a number where there are more. @param {any} person @param {any[]} people */
function calling(person, people) {
  if (person.name) return person.name;
  const isOurs = person.role === "agent";
  if (isMain(person)) return isOurs ? say.agent : say.contact;
  const name = isOurs ? say.colleague : say.joined;
  const alike = people.filter((each) => !isMain(each) && each.role === person.role);
  return alike.length < 2 ? name : `${name} ${alike.indexOf(person) + 1}`;
}

/** @param {any[]} people */
export function showPeople(people) {
  part("parties").replaceChildren(...people.map((each) => line(each, people)));
  showWhom(people);
}

/** @param {any} person @param {any[]} people */
function line(person, people) {
  const shown = document.createElement("li");
  const who = document.createElement("span");
  const where = document.createElement("span");
  const called = calling(person, people);
  who.textContent = person.present ? called : `${called} (${say.left.toLowerCase()})`;
  const names = person.places.map((/** @type {string} */ code) => placeName(code) ?? say.unknown);
  where.textContent = names.join(", ") || say.unknown;
  shown.append(who, where);
  if (person.party > 1 && person.present && !person.has_call) {
    const left = document.createElement("button");
    left.type = "button";
    left.className = "button button-quiet button-small";
    left.dataset.left = String(person.party);
    left.textContent = person.name ? say.hang_up : say.left; // whoever was called is hung up on
    shown.append(left);
  }
  return shown;
}

/** Offer whom a place is of, where that is a question. @param {any[]} people */
function showWhom(people) {
  const whom = /** @type {HTMLSelectElement} */ (part("whom"));
  const asked = people.filter((each) => each.role === "contact" && each.present);
  part("whom-part").hidden = asked.length < 2;
  const key = (/** @type {any} */ each) => `${each.party} ${calling(each, people)}`;
  const shown = [...whom.options].map((each) => `${each.value} ${each.textContent}`).join();
  if (shown === asked.map(key).join()) return; // keeps what was chosen
  const chosen = whom.value;
  whom.replaceChildren(
    ...asked.map((each) => new Option(calling(each, people), String(each.party))),
  );
  const isThere = asked.some((each) => String(each.party) === chosen);
  whom.value = isThere ? chosen : String(asked[0]?.party ?? "");
}

/** Say that the chosen person is in the chosen place; nothing without a place. */
export async function tellPlace() {
  const { value: code } = /** @type {HTMLSelectElement} */ (part("place"));
  const { value: party } = /** @type {HTMLSelectElement} */ (part("whom"));
  if (code && party) await core.act("/places", "POST", { party: Number(party), code });
}
