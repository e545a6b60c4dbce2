/** Word from the server that something has changed: a request that waits, again and again, until it is stopped. */

import { call } from "./api.js";

const AT_LEAST_MS = 700;
const AGAIN_MS = 5000;

const pause = (milliseconds) => new Promise((done) => window.setTimeout(done, milliseconds));

/**
 * Follow the changes until stopped, or until the session has ended.
 * @param {string} path Answers `{count, heard}` and what else there is to know.
 * @param {(answer: {count: number, heard: boolean}|null, isNews: boolean) => unknown} hear Called with every answer,
 *   and with null when the server is away.
 * @returns {() => void} Stops it.
 */
export function followWord(path, hear) {
  const ended = new AbortController();
  const follow = async () => {
    let known = -1;
    while (!ended.signal.aborted) {
      try {
        const answer = await call("GET", `${path}?since=${known}`, { signal: ended.signal });
        const isNews = answer.count !== known;
        known = answer.count;
        if (!ended.signal.aborted) await hear(answer, isNews);
        await pause(answer.heard ? AT_LEAST_MS : AGAIN_MS);
      } catch (error) {
        if (ended.signal.aborted) return;
        await hear(null, false);
        if (error.status === 401 || error.status === 403) return; // the session has ended: nothing is asked any more
        await pause(AGAIN_MS);
      }
    }
  };
  void follow();
  return () => ended.abort();
}
