/** Calls to our own server; every change carries the CSRF token of the session. */

import { language, say } from "./words.js";

/** A refusal that the server explained. */
export class Refused extends Error {
  /**
   * @param {number} status HTTP status; 0 when the server did not answer.
   * @param {string} message Shown to the person.
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }

  /** Whether the same call may succeed later. */
  get isPassing() {
    return this.status === 0 || this.status >= 500;
  }
}

/**
 * Call the server.
 * @param {string} method
 * @param {string} path
 * @param {{csrf?: string, body?: unknown, keepalive?: boolean, signal?: AbortSignal}} [options] A blob is sent as it
 *   is, any other body as JSON.
 * @returns {Promise<any>} The JSON of the answer.
 * @throws {Refused}
 */
export async function call(method, path, { csrf = "", body, keepalive = false, signal } = {}) {
  const headers = { Accept: "application/json", "Accept-Language": language() };
  if (csrf) headers["X-CSRF-Token"] = csrf;
  const isBlob = body instanceof Blob;
  if (body !== undefined) headers["Content-Type"] = isBlob ? "application/octet-stream" : "application/json";
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers,
      keepalive,
      signal,
      credentials: "same-origin",
      cache: "no-store",
      body: body === undefined || isBlob ? body : JSON.stringify(body),
    });
  } catch {
    throw new Refused(0, say("the server does not answer"));
  }
  const json = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, json.message || say("the server answered {status}", { status: answer.status }));
  return json;
}
