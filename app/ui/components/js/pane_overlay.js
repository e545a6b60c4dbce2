/** Draws the AI's attention and its boxes over one viewport, on a canvas of its own: the image is never touched. */

import { link } from "./link.js";
import { attentionOf, drawBox, drawRegion, drawTint, tint } from "./overlay.js";

/** @typedef {{overlayOn: boolean, opacity: number}} OverlayState */

/**
 * Draw the layer of a viewport.
 * @param {import("./pane.js").Pane} pane
 * @param {OverlayState} state
 * @param {import("./overlay.js").Finding[]} findings
 * @returns {{boxes: number, note: string}} How many boxes are drawn, and why these (a key of words).
 */
export function drawLayer(pane, state, findings) {
  const context = emptyLayer(pane.parts.overlay);
  const { geometry, image } = pane;
  if (!geometry || !image || pane.prior) return { boxes: 0, note: "none" };
  const ratio = window.devicePixelRatio || 1;
  const { sop, facts } = image;
  const chosen = link.chosenSentence;
  const here = link.shown.filter(({ region }) => region.sop === sop);
  const sources = chosen ? here.filter(({ key }) => key === chosen.key) : here;
  const grids = state.overlayOn ? attentionOf(sources, findings, sop) : [];
  const tinted = tint(grids);
  if (tinted) drawTint(context, geometry, ratio, facts, tinted, grids[0].extent, state.opacity / 100);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const boxes = state.overlayOn ? here : sources.filter(() => chosen !== null);
  for (const sentence of boxes) drawBox(context, geometry, sentence, findings, sentence.key === chosen?.key);
  const isAsked = link.region?.sop === sop;
  if (isAsked) drawRegion(context, geometry, link.region);
  return { boxes: boxes.length + Number(isAsked), note: noteOf(sources.length > 0, chosen !== null) };
}

/** Empty a layer, at the size of its place. */
export function emptyLayer(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
  Object.assign(canvas, { width, height });
  return canvas.getContext("2d");
}

function noteOf(hasRegion, isChosen) {
  if (hasRegion) return isChosen ? "chosen" : "all";
  return isChosen ? "nothing" : "none";
}
