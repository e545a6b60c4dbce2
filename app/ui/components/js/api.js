/** Calls to our own server; every change carries the CSRF token of the session. */

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
 * @param {{csrf?: string, body?: unknown, keepalive?: boolean}} [options]
 * @returns {Promise<any>} The JSON of the answer.
 * @throws {Refused}
 */
export async function call(method, path, { csrf = "", body, keepalive = false } = {}) {
  const headers = { Accept: "application/json" };
  if (csrf) headers["X-CSRF-Token"] = csrf;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers,
      keepalive,
      credentials: "same-origin",
      cache: "no-store",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Refused(0, "the server does not answer");
  }
  const json = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, json.message || `the server answered ${answer.status}`);
  return json;
}
