/** What the sender drew over an image (overlay planes, PS3.3 C.9.2), on a canvas of its own below the AI's. */

import { call } from "./api.js";
import { emptyLayer } from "./pane_overlay.js";

const COLOURS = { G: [184, 245, 176, 220], R: [255, 160, 122, 220] };

/** @typedef {{left: number, top: number, picture: HTMLCanvasElement}} Plane In columns and rows of its image. */

/**
 * Fetch the planes of an image, once; they are kept with it.
 * @param {import("./image.js").Image} image
 */
export async function loadPlanes(image) {
  if (image.facts.overlayPlanes === 0 || image.planes) return;
  image.planes = [];
  try {
    const path = `/overlay-planes/${encodeURIComponent(image.sop)}?frame=${image.frame}`;
    const { planes } = await call("GET", path);
    image.planes = planes.map(paint);
    image.planesMissing = false;
  } catch {
    image.planes = null;
    image.planesMissing = true;
  }
}

/** @returns {Plane} */
function paint({ kind, rows, columns, left, top, bits_base64: text }) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const picture = Object.assign(document.createElement("canvas"), { width: columns, height: rows });
  const context = picture.getContext("2d");
  const painted = context.createImageData(columns, rows);
  const words = new Uint32Array(painted.data.buffer);
  const [word] = new Uint32Array(Uint8Array.from(COLOURS[kind]).buffer);
  for (let i = 0; i < words.length; i += 1) if ((bytes[i >> 3] >> (i & 7)) & 1) words[i] = word;
  context.putImageData(painted, 0, 0);
  return { left, top, picture };
}

/**
 * Draw the planes of a viewport's image, or none.
 * @param {import("./pane.js").Pane} pane
 * @param {boolean} isOff
 */
export function drawPlanes({ parts, image, geometry }, isOff) {
  const planes = (!isOff && geometry && image?.planes) || [];
  const layer = parts.planes;
  if (planes.length === 0 && !layer.dataset.count) return;
  const context = emptyLayer(layer);
  layer.dataset.count = planes.length || "";
  if (planes.length === 0) return;
  geometry.apply(context, window.devicePixelRatio || 1);
  context.imageSmoothingQuality = "high";
  for (const { left, top, picture } of planes) context.drawImage(picture, left, top);
}
