/** Keeps a list as it stands on the server: word of a change, and then the page anew, without a run of the script. */

import { whilePresent } from "./activity.js";
import { call } from "./api.js";
import { followWord } from "./follow_word.js";

const POLL_MS = 8000;

/**
 * Follow the changes until stopped. Without word from the server it looks by itself while somebody is there.
 * @param {() => {query: object, zone: string, csrf: string, rows?: {waiting: object|null}[]}} asked What the list
 *   asks for now, and what it shows.
 * @param {(page: any) => void} show
 * @returns {() => void} Stops it.
 */
export function followChanges(asked, show) {
  let hears = false;
  let isEnded = false;
  const look = async () => {
    const { query, zone, csrf } = asked();
    const page = await call("POST", "/api/worklist/page", { csrf, body: { query, zone } });
    // the reader has turned the page or sorted meanwhile: the answer is to another question
    if (!isEnded && asked().query === query) show(page);
  };
  const stopWord = followWord("/api/worklist/changes", async (answer, isNews) => {
    hears = answer?.heard ?? false;
    // a worker that dies sends no word: while a draft is waited for, the list looks by itself
    if (answer && (isNews || asked().rows?.some(({ waiting }) => waiting))) await look();
  });
  const stopPoll = whilePresent(POLL_MS, () => void (hears || look().catch(() => undefined)));
  return () => {
    isEnded = true;
    stopPoll();
    stopWord();
  };
}
