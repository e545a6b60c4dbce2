/**
 * The AI's attention over an image, on a canvas of its own: the image below is never touched.
 * Regions come from sentences that have one; a negated or normal sentence has none, so nothing is drawn for it.
 */

import { colourOf, opacityOf } from "./colours.js";

/** @typedef {import("./link.js").Sentence} Sentence */
/**
 * @typedef {{sop: string, rows: number, columns: number, extent: number[], cells: Uint8Array}} Attention
 * `cells` row by row, 255 = 1; `extent` is [x0, y0, x1, y1], what the grid covers in source columns and rows.
 * @typedef {{name: string, probability: number, decision: string, attention: Attention|null}} Finding
 */

/**
 * Read the findings of the server: the cells of their grids come as base64.
 * @param {any[]} findings
 * @returns {Finding[]}
 */
export function readFindings(findings) {
  return findings.map((finding) => ({ ...finding, attention: finding.attention && readGrid(finding.attention) }));
}

function readGrid(grid) {
  return { ...grid, cells: Uint8Array.from(atob(grid.cells), (character) => character.charCodeAt(0)) };
}

/**
 * Return the attention grids to draw on an image: those of the findings behind the sentences.
 * @param {Sentence[]} sentences Sentences with a region on this image.
 * @param {Finding[]} findings
 * @param {string} sop The image on the screen.
 * @returns {Attention[]}
 */
export function attentionOf(sentences, findings, sop) {
  const names = new Set(sentences.flatMap((sentence) => sentence.findings));
  return findings
    .filter(({ name, attention }) => attention !== null && attention.sop === sop && names.has(name))
    .map(({ attention }) => attention);
}

/**
 * Paint grids of one shape as a tinted picture, the highest value winning.
 * @param {Attention[]} grids
 * @returns {HTMLCanvasElement|null} One pixel a cell.
 */
export function tint(grids) {
  if (grids.length === 0) return null;
  const { rows, columns } = grids[0];
  const canvas = Object.assign(document.createElement("canvas"), { width: columns, height: rows });
  const context = canvas.getContext("2d");
  const painted = context.createImageData(columns, rows);
  for (let cell = 0; cell < rows * columns; cell += 1) {
    const value = Math.max(...grids.map(({ cells }) => cells[cell] ?? 0)) / 255;
    painted.data.set([...colourOf(value), Math.round(255 * opacityOf(value))], cell * 4);
  }
  context.putImageData(painted, 0, 0);
  return canvas;
}

/**
 * Draw the tint over the part of the image that its grid covers.
 * @param {CanvasRenderingContext2D} context
 * @param {import("./geometry.js").Geometry} geometry
 * @param {number} ratio Device pixels a screen pixel.
 * @param {{rows: number, columns: number}} size Of the image: a grid may reach past it.
 * @param {HTMLCanvasElement} tinted
 * @param {number[]} extent
 * @param {number} opacity 0 to 1.
 */
export function drawTint(context, geometry, ratio, size, tinted, extent, opacity) {
  context.save();
  geometry.apply(context, ratio);
  context.beginPath();
  context.rect(0, 0, size.columns, size.rows);
  context.clip();
  context.globalAlpha = opacity;
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  context.drawImage(tinted, extent[0], extent[1], extent[2] - extent[0], extent[3] - extent[1]);
  context.restore();
}

/**
 * Draw the box of a sentence, with what it is about.
 * @param {CanvasRenderingContext2D} context In screen pixels.
 * @param {import("./geometry.js").Geometry} geometry
 * @param {Sentence} sentence
 * @param {Finding[]} findings
 * @param {boolean} isChosen
 */
export function drawBox(context, geometry, sentence, findings, isChosen) {
  const [left, top, right, bottom] = onScreen(geometry, sentence.region.box);
  context.lineWidth = isChosen ? 2 : 1;
  context.strokeStyle = isChosen ? "#ffd479" : "rgb(255 212 121 / 55%)";
  context.setLineDash(isChosen ? [] : [5, 4]);
  context.strokeRect(left, top, right - left, bottom - top);
  context.setLineDash([]);
  if (isChosen) label(context, describe(sentence, findings), left, top > 24 ? top - 6 : bottom + 18);
}

/**
 * Draw a region that no sentence has, for example of an answer.
 * @param {CanvasRenderingContext2D} context In screen pixels.
 * @param {import("./geometry.js").Geometry} geometry
 * @param {{box: number[], label: string}} region
 */
export function drawRegion(context, geometry, region) {
  const [left, top, right, bottom] = onScreen(geometry, region.box);
  context.lineWidth = 2;
  context.strokeStyle = "#7fd1ff";
  context.setLineDash([8, 4]);
  context.strokeRect(left, top, right - left, bottom - top);
  context.setLineDash([]);
  label(context, region.label, left, top > 24 ? top - 6 : bottom + 18);
}

/** The upright rectangle of a box on the screen; images are turned by right angles alone. */
function onScreen(geometry, box) {
  const [x0, y0] = geometry.toScreen(box[0], box[1]);
  const [x1, y1] = geometry.toScreen(box[2], box[3]);
  return [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)];
}

/** Name and calibrated probability of the findings behind a sentence. */
function describe(sentence, findings) {
  return sentence.findings
    .map((name) => {
      const known = findings.find((finding) => finding.name === name);
      return known ? `${name} ${Math.round(100 * known.probability)} %` : name;
    })
    .join(", ");
}

function label(context, text, x, y) {
  context.font = "500 12px system-ui, sans-serif";
  const { width } = context.measureText(text);
  context.fillStyle = "rgb(10 13 17 / 80%)";
  context.fillRect(x - 1, y - 14, width + 12, 19);
  context.fillStyle = "#ffd479";
  context.fillText(text, x + 5, y);
}

/**
 * Return the sentence whose region lies under a point, the smallest first.
 * @param {Sentence[]} sentences Sentences with a region.
 * @param {string} sop The image on the screen.
 * @param {number[]} point Column and row.
 * @returns {Sentence|null}
 */
export function sentenceAt(sentences, sop, [column, row]) {
  const area = ({ region: { box } }) => (box[2] - box[0]) * (box[3] - box[1]);
  const hit = sentences.filter(({ region: { sop: on, box } }) => {
    return on === sop && column >= box[0] && column <= box[2] && row >= box[1] && row <= box[3];
  });
  return hit.sort((a, b) => area(a) - area(b))[0] ?? null;
}
