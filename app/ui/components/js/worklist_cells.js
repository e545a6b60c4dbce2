/** What stands in the columns of the worklist. */

import { el, localDay, localTime, shortTime } from "./dom.js";
import { phrase, say } from "./words.js";

/** The columns; `sort` is the name that the server sorts by, `label` a short title's whole name. */
export const COLUMNS = [
  { sort: "priority", title: phrase("Priority") },
  { sort: "received", title: phrase("Waiting"), label: phrase("Time since arrival") },
  { sort: "patient", title: phrase("Patient") },
  { sort: "patient id", title: phrase("ID"), label: phrase("Patient ID") },
  { sort: "modality", title: phrase("Mod"), label: phrase("Modality") },
  { sort: "description", title: phrase("Study") },
  { sort: "study date", title: phrase("Date"), label: phrase("Study date") },
  { sort: "accession", title: phrase("Accession"), label: phrase("Accession number") },
  { sort: "images", title: phrase("Img"), label: phrase("Images") },
  { sort: "study state", title: phrase("Draft") },
  { sort: "report state", title: phrase("Report") },
  { sort: "lock", title: phrase("Reader"), label: phrase("Reader who has it open") },
  { sort: "delivery", title: phrase("Delivery") },
];

const DRAFTS = {
  RECEIVING: ["wait", phrase("receiving")],
  COMPLETE: ["wait", phrase("drafting ...")],
  DRAFTED: ["ai", phrase("AI draft")],
  UNDRAFTED: ["none", phrase("no AI draft")],
  EXCLUDED: ["none", phrase("excluded")],
  QUARANTINED: ["bad", phrase("quarantine")],
};
const REPORTS = {
  DRAFTED: ["", phrase("not opened")],
  IN_REVIEW: ["open", phrase("in review")],
  PRELIMINARY: ["warn", phrase("preliminary")],
  SIGNED: ["done", phrase("signed")],
  ADDENDED: ["done", phrase("addended")],
  CORRECTED: ["done", phrase("corrected")],
  REJECTED: ["bad", phrase("rejected")],
  SUPERSEDED: ["bad", phrase("superseded")],
  WITHDRAWN: ["bad", phrase("withdrawn")],
};
const DELIVERIES = {
  PENDING: ["wait", phrase("waiting")],
  SENT: ["done", phrase("sent")],
  COMMITTED: ["done", phrase("committed")],
  FAILED: ["warn", phrase("trying again")],
  DEAD: ["bad", phrase("failed")],
  CANCELLED: ["none", phrase("not sent")],
};

const STEPS = {
  order: phrase("looking for the order"),
  model: phrase("loading the model"),
  images: phrase("preparing the images"),
  reading: phrase("the model reads"),
  storing: phrase("storing the draft"),
};

const MINUTE_MS = 60_000;

/** @type {Object<string, (row: any) => HTMLElement>} */
const CELLS = {
  priority: (row) => el("td", { class: `priority${row.priority > 0 ? " high" : ""}`, text: row.priorityReason, title: row.priorityReason }),
  received: (row) => el("td", { class: "number", text: ageOf(row.received), title: localTime(row.received) }),
  patient: (row) => {
    const sexAge = [row.sex, localDay(row.birthDate)].filter(Boolean).join(" ");
    const title = [row.name, sexAge].filter(Boolean).join(", ");
    return el("td", { class: "name", title }, el("strong", { text: row.name }), sexAge && el("small", { text: sexAge }));
  },
  "patient id": (row) => el("td", { class: "number id", text: row.id, title: row.id }),
  modality: (row) => el("td", { text: row.modality }),
  description: (row) => el("td", { class: "wide", text: row.description, title: row.description }),
  "study date": (row) => el("td", { class: "number", text: localDay(row.studyDate) }),
  accession: (row) => el("td", { class: "number id", text: row.accession, title: row.accession }),
  images: (row) => el("td", { class: "number right", text: row.images }),
  "study state": (row) => draftCell(row),
  "report state": (row) => stateCell(REPORTS[row.reportState], ""),
  lock: (row) => el("td", { class: "reader", title: row.lockOwner }, row.lockOwner && el("span", { class: "lock", text: lockOf(row) })),
  delivery: (row) => stateCell(DELIVERIES[row.deliveryState], row.deliveryState === "SENT" ? "" : row.deliveryReason),
};

/**
 * Return the cell of a row in a column.
 * @param {string} sort Name of the column.
 * @param {any} row
 */
export function cellOf(sort, row) {
  return CELLS[sort](row);
}

/** How long a study waits, in words; the time of its arrival stands in the title. */
function ageOf(received) {
  const minutes = Math.max(0, Math.floor((Date.now() - Date.parse(received)) / MINUTE_MS));
  if (minutes < 60) return say("{count} min", { count: minutes });
  if (minutes < 48 * 60) return say("{hours} h {minutes} min", { hours: Math.floor(minutes / 60), minutes: minutes % 60 });
  return say("{count} days", { count: Math.floor(minutes / 1440) });
}

function lockOf(row) {
  return row.lockSince ? say("{name}, since {time}", { name: row.lockOwner, time: shortTime(row.lockSince).slice(-5) }) : row.lockOwner;
}

/** A draft that is waited for: whether somebody is at it, what is done, how many tasks come before. */
function draftCell(row) {
  const [kind, word] = DRAFTS[row.studyState];
  const { waiting } = row;
  const isQueued = row.studyState === "COMPLETE" && waiting && !waiting.since;
  const cell = stateCell(isQueued ? [kind, phrase("waits for draft")] : [kind, word], row.reason);
  if (waiting) cell.append(el("small", { class: "reason", dataset: { works: String(waiting.works) }, text: standingOf(waiting) }));
  return cell;
}

function standingOf({ works, before, since, step, again }) {
  if (!works) return say("no worker is running");
  if (since) {
    const at = { time: shortTime(since).slice(-5) };
    return step ? say("{step}, since {time}", { step: say(STEPS[step]), ...at }) : say("with a worker since {time}", at);
  }
  if (again) return say("tried again at {time}", { time: shortTime(again).slice(-5) });
  if (before === 0) return say("next");
  return before === null ? "" : say("{count} ahead", { count: before });
}

/** A state, and the reason for it in words: nobody has to point at it to learn why. */
function stateCell(state, reason) {
  if (!state) return el("td");
  const [kind, word] = state;
  const chip = el("span", { class: kind ? `chip ${kind}` : "plain", text: say(word) });
  return el("td", { class: "state" }, chip, reason && el("small", { class: "reason", text: reason, title: reason }));
}
