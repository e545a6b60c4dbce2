/**
 * What the reader has asked of the page: the script runs for each message, and the latest message wins.
 *
 * So nothing that a component wants by itself may cross it: a "reload" sent while the next case is on its way would
 * bring back the case that is being left.
 */

const ANSWERED_WITHIN_MS = 15_000;
let askedAt = -Infinity;

/**
 * Return the function by which a component sends, and note when it does.
 * @param {(name: string, value: unknown) => void} setTriggerValue
 * @returns {(name: string, value: unknown) => void}
 */
export function noteAsked(setTriggerValue) {
  return (name, value) => {
    askedAt = performance.now();
    setTriggerValue(name, value);
  };
}

/** Whether something may have been asked for that has not been done yet. */
export function isAwaited() {
  return performance.now() - askedAt < ANSWERED_WITHIN_MS;
}
