/** The images of an earlier study: asked of the server, which records that they were looked at. */

import { call } from "./api.js";

/**
 * @typedef {{study: string, title: string, date: string, modality: string,
 *   images: import("./stacks.js").Entry[]}} PriorImages
 */

/**
 * Open an earlier study of a study.
 * @param {string} path Where the server wants to be asked for it.
 * @param {string} csrf
 * @returns {Promise<PriorImages>}
 */
export function openPriorImages(path, csrf) {
  return call("POST", path, { csrf, body: {} });
}
