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
