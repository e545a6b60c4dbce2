/** What stands in the columns of the worklist. */

import { el, localTime } from "./dom.js";

/** The columns; `sort` is the name that the server sorts by. */
export const COLUMNS = [
  { sort: "priority", title: "Priority" },
  { sort: "received", title: "Received" },
  { sort: "patient", title: "Patient" },
  { sort: "patient id", title: "ID" },
  { sort: "modality", title: "Mod" },
  { sort: "description", title: "Study" },
  { sort: "study date", title: "Date" },
  { sort: "accession", title: "Accession" },
  { sort: "images", title: "Img" },
  { sort: "study state", title: "Draft" },
  { sort: "report state", title: "Report" },
  { sort: "lock", title: "Reader" },
  { sort: "delivery", title: "Delivery" },
];

const DRAFTS = {
  RECEIVING: ["wait", "receiving"],
  COMPLETE: ["wait", "drafting ..."],
  DRAFTED: ["ai", "AI draft"],
  UNDRAFTED: ["none", "no AI draft"],
  EXCLUDED: ["none", "excluded"],
  QUARANTINED: ["bad", "quarantine"],
};
const REPORTS = {
  DRAFTED: ["", "not opened"],
  IN_REVIEW: ["open", "in review"],
  PRELIMINARY: ["warn", "preliminary"],
  SIGNED: ["done", "signed"],
  ADDENDED: ["done", "addended"],
  CORRECTED: ["done", "corrected"],
  REJECTED: ["bad", "rejected"],
  SUPERSEDED: ["bad", "superseded"],
  WITHDRAWN: ["bad", "withdrawn"],
};
const DELIVERIES = {
  PENDING: ["wait", "waiting"],
  SENT: ["done", "sent"],
  COMMITTED: ["done", "committed"],
  FAILED: ["warn", "trying again"],
  DEAD: ["bad", "failed"],
  CANCELLED: ["none", "not sent"],
};

/**
 * Return the cells of a row, in the order of the columns.
 * @param {any} row
 * @returns {HTMLElement[]}
 */
export function cellsOf(row) {
  const sexAge = [row.sex, row.birthDate].filter(Boolean).join(" ");
  return [
    el("td", { class: row.priority > 0 ? "priority high" : "priority", text: row.priorityReason }),
    el("td", { class: "number", text: localTime(row.received).slice(5), title: localTime(row.received) }),
    el("td", { class: "name" }, el("strong", { text: row.name }), sexAge && el("small", { text: sexAge })),
    el("td", { class: "number", text: row.id }),
    el("td", { text: row.modality }),
    el("td", { class: "wide", text: row.description, title: row.description }),
    el("td", { class: "number", text: row.studyDate }),
    el("td", { class: "number", text: row.accession }),
    el("td", { class: "number right", text: row.images }),
    stateCell(DRAFTS[row.studyState], row.reason),
    stateCell(REPORTS[row.reportState], ""),
    el("td", {}, row.lockOwner && el("span", { class: "lock", text: row.lockOwner })),
    stateCell(DELIVERIES[row.deliveryState], row.deliveryState === "SENT" ? "" : row.deliveryReason),
  ];
}

/** A state, and the reason for it in words: nobody has to point at it to learn why. */
function stateCell(state, reason) {
  if (!state) return el("td");
  const [kind, word] = state;
  const chip = kind ? el("span", { class: `chip ${kind}`, text: word }) : el("span", { class: "plain", text: word });
  return el("td", { class: "state" }, chip, reason && el("small", { class: "reason", text: reason, title: reason }));
}
