/** The elements of one viewport: the image, the layer over it, what stands in its corners and at its edges. */

import { el } from "./dom.js";
import { say } from "./words.js";

/**
 * @typedef {object} PaneParts
 * @property {HTMLElement} root
 * @property {HTMLElement} view Cornerstone3D draws in it.
 * @property {HTMLCanvasElement} planes
 * @property {HTMLCanvasElement} overlay
 * @property {HTMLCanvasElement} lines
 */

/** @returns {PaneParts & Object<string, HTMLElement>} */
export function makePane() {
  const corner = (place) => el("div", { class: `corner ${place}` });
  const edge = (place) => el("div", { class: `edge ${place}`, "aria-hidden": true });
  const parts = {
    view: /** @type {HTMLElement} */ (el("div", { class: "view" })),
    planes: /** @type {HTMLCanvasElement} */ (el("canvas", { class: "layer", "data-layer": "planes" })),
    overlay: /** @type {HTMLCanvasElement} */ (el("canvas", { class: "layer", "data-layer": "overlay" })),
    lines: /** @type {HTMLCanvasElement} */ (el("canvas", { class: "layer", "data-layer": "lines" })),
    topLeft: corner("top left"),
    topRight: corner("top right"),
    bottomLeft: corner("bottom left"),
    bottomRight: corner("bottom right"),
    edges: { left: edge("left"), right: edge("right"), top: edge("top"), bottom: edge("bottom") },
    banner: el("div", { class: "prior-banner", hidden: true }),
    message: el("div", { class: "message", role: "status" }),
  };
  parts.root = el(
    "div",
    {
      class: "pane",
      tabindex: 0,
      role: "img",
      "aria-label": say("Image: drag to set window and level, right drag to pan, wheel to zoom or scroll"),
    },
    parts.view,
    parts.planes,
    parts.overlay,
    parts.lines,
    ...Object.values(parts.edges),
    parts.topLeft,
    parts.topRight,
    parts.bottomLeft,
    parts.bottomRight,
    parts.banner,
    parts.message,
  );
  return parts;
}

/**
 * Say what stands in the corners.
 * @param {Object<string, HTMLElement>} parts
 * @param {{topLeft: string, topRight: string, bottomLeft: string, bottomRight: string}} texts
 */
export function setCorners(parts, texts) {
  for (const [place, text] of Object.entries(texts)) parts[place].textContent = text;
}

/**
 * Say which side of the patient lies where.
 * @param {Object<string, any>} parts
 * @param {Object<string, string>|null} edges
 */
export function setEdges(parts, edges) {
  for (const [place, mark] of Object.entries(parts.edges)) mark.textContent = edges?.[place] ?? "";
  parts.root.dataset.edges = edges ? `${edges.left} ${edges.right} ${edges.top} ${edges.bottom}` : "";
}
