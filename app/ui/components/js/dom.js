/** The only way this interface makes elements: text goes in as text nodes, so no name and no report is ever markup. */

import { preferKeysOf } from "./keys.js";
import { language } from "./words.js";

/**
 * Make an element.
 * @param {string} tag
 * @param {Object<string, unknown>} [attributes] `text` sets textContent, `on<event>` adds a listener, `dataset` sets
 *   data attributes, anything else is an attribute (`true` is an empty one, "true" for ARIA; `false`, null and
 *   undefined are left out).
 * @param {...(Node|string|null|undefined|false)} children Strings become text nodes.
 * @returns {HTMLElement}
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) apply(node, name, value);
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function apply(node, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name === "text") node.textContent = String(value);
  else if (name === "dataset") Object.assign(node.dataset, value);
  else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
  else node.setAttribute(name, value === true && !name.startsWith("aria-") ? "" : String(value));
}

/**
 * Return what belongs to `parent`, made on the first call, and the function that lets go of it.
 *
 * Streamlit mounts a component anew with every rerun of the script, and while scripts load, a mount that was
 * overtaken lets go after the next one has begun: only the latest may really do so.
 * @template T
 * @param {ParentNode} parent
 * @param {WeakMap<ParentNode, {it: T, mounts: number}>} known
 * @param {() => T} make
 * @param {(it: T) => void} release
 * @returns {[T, () => void]}
 */
export function hold(parent, known, make, release) {
  if (!known.has(parent)) known.set(parent, { it: make(), mounts: 0 });
  const held = known.get(parent);
  preferKeysOf(held.it);
  held.mounts += 1;
  const mine = held.mounts;
  const letGo = () => {
    if (known.get(parent) !== held || held.mounts !== mine) return;
    known.delete(parent);
    release(held.it);
  };
  return [held.it, letGo];
}

const DAY = { year: "numeric", month: "2-digit", day: "2-digit" };
const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };

/** The form of dates and times; English ones are written as in ISO 8601: 03/04 is two days, depending on who reads. */
function formatOf(options) {
  return new Intl.DateTimeFormat(language() === "en" ? "sv-SE" : language(), options);
}

/**
 * Format a time for the screen, in the browser's zone and the reader's language.
 * @param {string|null} iso
 * @returns {string} `2026-11-22 14:05`, `22.11.2026, 14:05`; empty without a time.
 */
export function localTime(iso) {
  return iso ? formatOf({ ...DAY, ...CLOCK }).format(new Date(iso)) : "";
}

/**
 * Format a time without its year, where room is short.
 * @param {string|null} iso
 * @returns {string} `11-22 14:05`, `22.11., 14:05`; empty without a time.
 */
export function shortTime(iso) {
  if (!iso || language() === "en") return localTime(iso).slice(5);
  return formatOf({ ...DAY, ...CLOCK, year: undefined }).format(new Date(iso));
}

/**
 * Format a day; what is none stays as it is.
 * @param {string} day `2026-11-22`
 * @returns {string} `2026-11-22`, `22.11.2026`
 */
export function localDay(day) {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(day)) return day;
  return formatOf({ ...DAY, timeZone: "UTC" }).format(new Date(`${day}T00:00:00Z`));
}

/**
 * Format a clock time, in the browser's zone.
 * @param {string|Date} at
 * @returns {string} `14:05:09`
 */
export function clockTime(at) {
  return new Date(at).toLocaleTimeString("en-GB", { hour12: false });
}
