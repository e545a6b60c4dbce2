/** Keeps a list as it stands on the server: word of a change, and then the page anew, without a run of the script. */

import { whilePresent } from "./activity.js";
import { call } from "./api.js";

const POLL_MS = 8000;
const AT_LEAST_MS = 700;
const AGAIN_MS = 5000;

const pause = (milliseconds) => new Promise((done) => window.setTimeout(done, milliseconds));

/**
 * Follow the changes until stopped. Without word from the server it looks by itself while somebody is there.
 * @param {() => {query: object, zone: string, csrf: string}} asked What the list asks for now.
 * @param {(page: any) => void} show
 * @returns {() => void} Stops it.
 */
export function followChanges(asked, show) {
  const ended = new AbortController();
  let hears = false;
  const look = async () => {
    const { query, zone, csrf } = asked();
    const page = await call("POST", "/api/worklist/page", { csrf, body: { query, zone } });
    // the reader has turned the page or sorted meanwhile: the answer is to another question
    if (!ended.signal.aborted && asked().query === query) show(page);
  };
  const follow = async () => {
    let known = -1;
    while (!ended.signal.aborted) {
      try {
        const { count, heard } = await call("GET", `/api/worklist/changes?since=${known}`, { signal: ended.signal });
        hears = heard;
        const isNews = count !== known;
        known = count;
        if (isNews) await look();
        await pause(heard ? AT_LEAST_MS : AGAIN_MS);
      } catch (error) {
        hears = false;
        if (error.status === 401 || error.status === 403) return; // the session has ended: nothing is asked any more
        await pause(AGAIN_MS);
      }
    }
  };
  void follow();
  const stop = whilePresent(POLL_MS, () => void (hears || look().catch(() => undefined)));
  return () => {
    stop();
    ended.abort();
  };
}
