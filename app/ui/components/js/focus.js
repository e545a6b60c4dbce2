/** Where the keyboard goes next: also into the shadow roots of our components. */

const CAN_FOCUS = 'a[href], button, input, select, textarea, summary, [tabindex="0"]';

/**
 * Return the first element that takes the keyboard after an element and everything in it.
 * @param {Element} element
 * @returns {HTMLElement|null}
 */
export function firstAfter(element) {
  for (const candidate of everyElement(document.body)) {
    const isAfter = element.compareDocumentPosition(hostOf(candidate)) & Node.DOCUMENT_POSITION_FOLLOWING;
    if (isAfter && !element.contains(hostOf(candidate)) && takesFocus(candidate)) return candidate;
  }
  return null;
}

function takesFocus(element) {
  return element.matches(CAN_FOCUS) && !element.disabled && element.checkVisibility({ visibilityProperty: true });
}

/** The element of the page itself in which an element stands. */
function hostOf(element) {
  let at = element;
  while (at.getRootNode() instanceof ShadowRoot) at = at.getRootNode().host;
  return at;
}

/** @returns {Generator<HTMLElement>} Every element below a root in reading order, shadow roots included. */
function* everyElement(root) {
  for (const child of root.children) {
    yield child;
    if (child.shadowRoot) yield* everyElement(child.shadowRoot);
    yield* everyElement(child);
  }
}

/** @returns {Element|null} The element that has the keyboard, also inside of a shadow root. */
function focused() {
  let at = document.activeElement;
  while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
  return at === document.body ? null : at;
}

function inDialog(element) {
  return hostOf(element).closest('[role="dialog"]') !== null;
}

/**
 * Give the keyboard back to where it was before a dialog of the page, once the dialog is gone.
 * @returns {() => void} Stops it.
 */
export function returnFocusAfterDialogs() {
  let before = null;
  let host = null;
  let wasOpen = false;
  const note = () => {
    const at = focused();
    if (at && !inDialog(at)) [before, host] = [at, hostOf(at)];
  };
  const look = () => {
    const isOpen = document.querySelector('[role="dialog"]') !== null;
    if (wasOpen && !isOpen && !focused()) goBack(before, host);
    wasOpen = isOpen;
  };
  const watcher = new MutationObserver(look);
  watcher.observe(document.body, { childList: true, subtree: true });
  document.addEventListener("focusin", note);
  return () => {
    watcher.disconnect();
    document.removeEventListener("focusin", note);
  };
}

/** An element that was drawn anew meanwhile is found by what it marked: the sentence or study that was chosen. */
function goBack(before, host) {
  const at = before?.isConnected ? before : host?.shadowRoot?.querySelector('[aria-current][tabindex="0"]');
  at?.focus({ preventScroll: true });
}
