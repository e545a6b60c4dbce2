/** Where the image of the viewport in use cuts the images of the others: a dashed line, on a canvas of its own. */

import { cutOf } from "./patient_space.js";
import { emptyLayer } from "./pane_overlay.js";

const COLOUR = "#ffe08a";

/**
 * Draw the line of `active` over a viewport, or none.
 * @param {import("./pane.js").Pane} pane
 * @param {import("./pane.js").Pane} active
 * @param {boolean} isOff
 */
export function drawReferenceLine(pane, active, isOff) {
  const layer = pane.parts.lines;
  const isWanted = !isOff && pane !== active && pane.geometry && active.image;
  const cut = isWanted ? cutOf(pane.image.facts, active.image.facts) : null;
  if (!cut && !layer.dataset.cut) return;
  const context = emptyLayer(layer);
  layer.dataset.cut = cut ? cut.flat().map((value) => value.toFixed(1)).join(" ") : "";
  if (!cut) return;
  const ratio = window.devicePixelRatio || 1;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  Object.assign(context, { strokeStyle: COLOUR, lineWidth: 1.5 });
  context.setLineDash([6, 4]);
  context.beginPath();
  context.moveTo(...pane.geometry.toScreen(...cut[0]));
  context.lineTo(...pane.geometry.toScreen(...cut[1]));
  context.stroke();
}
