/** Where a reader was in a report: kept in the browser by numbers alone, so that a reload goes on at the same place. */

const NAME = "janus-med-place";

/**
 * Keep the place.
 * @param {number} report
 * @param {string|null} key The chosen sentence.
 * @param {number|null} caret Where in its text; null when it is not being written.
 */
export function keepPlace(report, key, caret) {
  try {
    window.localStorage.setItem(NAME, JSON.stringify({ report, key, caret }));
  } catch {
    // without storage one begins at the top
  }
}

/**
 * Return the place in this report; null when there is none.
 * @param {number} report
 * @returns {{key: string|null, caret: number|null}|null}
 */
export function keptPlace(report) {
  try {
    const kept = JSON.parse(window.localStorage.getItem(NAME) ?? "null");
    return kept?.report === report ? kept : null;
  } catch {
    return null;
  }
}
