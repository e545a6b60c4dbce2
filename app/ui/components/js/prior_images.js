/** The images of an earlier study: asked of the server, which records that they were looked at. */

import { call } from "./api.js";

/**
 * @typedef {{study: string, title: string, date: string, modality: string,
 *   images: import("./stacks.js").Entry[]}} PriorImages
 */

/**
 * Open an earlier study of a study.
 * @param {string} study
 * @param {string} prior
 * @param {string} csrf
 * @returns {Promise<PriorImages>}
 */
export function openPriorImages(study, prior, csrf) {
  const [current, earlier] = [study, prior].map(encodeURIComponent);
  return call("POST", `/api/studies/${current}/priors/${earlier}/open`, { csrf, body: {} });
}
