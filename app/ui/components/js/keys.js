/** Single keys: each component names its own, and "?" shows all of them. */

/** @typedef {{keys: string[], label: string, group: string, run: (event: KeyboardEvent) => void}} Binding */

/** @type {Map<object, Binding[]>} */
const bound = new Map();
/** @type {() => boolean} */
let isHeld = () => false;

/**
 * Hold the keys as long as something is shown in front of the page. It is asked at every key: the event that tells
 * of a closed dialog comes later than the next key of a quick reader.
 * @param {() => boolean} isShown
 */
export function holdKeysWhile(isShown) {
  isHeld = isShown;
}

/**
 * Make keys work until the owner lets go of them.
 * @param {object} owner
 * @param {Binding[]} bindings
 * @returns {() => void}
 */
export function bindKeys(owner, bindings) {
  bound.set(owner, bindings);
  return () => bound.delete(owner);
}

/**
 * Put the keys of an owner before all others: it belongs to the page that is being shown.
 * @param {object} owner
 */
export function preferKeysOf(owner) {
  const bindings = bound.get(owner);
  if (!bindings) return;
  bound.delete(owner);
  bound.set(owner, bindings);
}

/** @returns {Binding[]} All bindings, in the order of their owners. */
export function allBindings() {
  return [...bound.values()].flat();
}

/**
 * Tell whether a key press belongs to a field that takes text.
 * @param {Event} event
 */
export function isTyping(event) {
  const target = /** @type {HTMLElement} */ (event.composedPath()[0]);
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target.tagName === "TEXTAREA" || target.tagName === "SELECT") return true;
  return target.tagName === "INPUT" && !["button", "checkbox", "range", "radio"].includes(target.type);
}

/** Whether a dialog of the page is open: keys then belong to it. */
function dialogIsOpen() {
  return document.querySelector('[role="dialog"]') !== null;
}

function dispatch(event) {
  if (event.ctrlKey || event.metaKey || event.isComposing) return;
  if (isHeld() || isTyping(event) || dialogIsOpen()) return;
  const target = event.composedPath()[0];
  const pressesButton = target instanceof HTMLElement && ["BUTTON", "A", "SUMMARY"].includes(target.tagName);
  if (pressesButton && (event.key === "Enter" || event.key === " ")) return;
  const name = event.altKey ? `Alt+${event.key}` : event.key;
  // what the script has just drawn comes first: what was left behind goes only when the new page is complete
  const newestFirst = [...bound.values()].reverse().flat();
  const binding = newestFirst.find(({ keys }) => keys.includes(name));
  if (!binding) return;
  event.preventDefault();
  event.stopPropagation();
  binding.run(event);
}

document.addEventListener("keydown", dispatch, true);
