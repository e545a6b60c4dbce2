/** Draws one frame of the viewer: the image on its canvas, the AI's attention on another. */

import { link } from "./link.js";
import { attentionOf, drawBox, drawTint, tint } from "./overlay.js";

/**
 * @typedef {{overlayOn: boolean, opacity: number}} OverlayState
 * @typedef {{image: HTMLCanvasElement, overlay: HTMLCanvasElement, stage: HTMLElement, legend: HTMLElement,
 *   note: HTMLElement}} Layers
 */

/**
 * Draw a frame.
 * @param {Layers} layers
 * @param {import("./viewport.js").Viewport} viewport
 * @param {import("./image.js").Image|null} image
 * @param {HTMLCanvasElement} source The image in grey, one pixel a sample.
 * @param {OverlayState} state
 * @param {import("./overlay.js").Finding[]} findings
 */
export function drawFrame(layers, viewport, image, source, state, findings) {
  const { clientWidth: width, clientHeight: height } = layers.stage;
  const ratio = window.devicePixelRatio || 1;
  for (const canvas of [layers.image, layers.overlay]) {
    Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
  }
  if (!image) return;
  if (viewport.isFitted) viewport.fit(image.facts, width, height);
  drawImage(layers.image.getContext("2d"), viewport, ratio, source);
  drawOverlay(layers, viewport, ratio, image, state, findings);
}

function drawImage(context, viewport, ratio, source) {
  viewport.apply(context, ratio);
  context.imageSmoothingEnabled = viewport.zoom < 4;
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0);
}

/** Nothing is drawn unless the reader switched the overlay on or chose a sentence. */
function drawOverlay(layers, viewport, ratio, { sop, facts }, state, findings) {
  const context = layers.overlay.getContext("2d");
  const chosen = link.chosenSentence;
  const here = link.shown.filter(({ region }) => region.sop === sop);
  const sources = chosen ? here.filter(({ key }) => key === chosen.key) : here;
  const grids = state.overlayOn ? attentionOf(sources, findings, sop) : [];
  const tinted = tint(grids);
  if (tinted) drawTint(context, viewport, ratio, facts, tinted, grids[0].extent, state.opacity / 100);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const boxes = state.overlayOn ? here : sources.filter(() => chosen !== null);
  for (const sentence of boxes) drawBox(context, viewport, sentence, findings, sentence.key === chosen?.key);
  layers.legend.hidden = boxes.length === 0 && !state.overlayOn;
  layers.note.textContent = explain(sources.length > 0, chosen !== null);
}

function explain(hasRegion, isChosen) {
  if (hasRegion) return isChosen ? "Region of the chosen sentence" : "All regions of the draft";
  if (isChosen) return "Nothing to show: the sentence is negated, normal or has no region";
  return "The draft has no region on this image";
}
