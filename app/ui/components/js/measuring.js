/** Length and angle on an image: Cornerstone3D's tools, with the unit and where its millimetres come from. */

import { readyKit } from "./cornerstone_kit.js";
import { knownImage } from "./cornerstone_image.js";
import { say } from "./words.js";

/** @typedef {"Length"|"Angle"|""} Tool */

const SOURCES = {
  PixelSpacing: () => say("in the patient"),
  ImagerPixelSpacing: () => say("at the detector"),
  NominalScannedPixelSpacing: () => say("of the scanned film"),
};

const PROJECTIONS = new Set(["CR", "DX", "MG", "IO", "PX", "XA", "RF", "RG"]);

/**
 * Say what the millimetres of an image are.
 * @param {import("./image.js").Facts} facts
 * @returns {{unit: string, factor: number, source: string}} `factor` turns the plane's units into `unit`.
 */
export function calibrationOf(facts) {
  const isProjection = PROJECTIONS.has(facts.modality);
  // without a calibration a projection's spacing is that of its detector (PS3.3 10.7.1.3)
  const isDetector = isProjection && facts.spacingSource === "PixelSpacing" && !facts.spacingCalibration;
  const spacingSource = isDetector ? "ImagerPixelSpacing" : facts.spacingSource;
  const source = SOURCES[spacingSource];
  if (!source) return { unit: "px", factor: 1 / facts.spacing[1], source: say("not calibrated") };
  if (spacingSource === "ImagerPixelSpacing" && facts.magnification > 1) {
    const told = say("detector, divided by {factor}", { factor: facts.magnification });
    return { unit: "mm", factor: 1 / facts.magnification, source: told };
  }
  return { unit: "mm", factor: 1, source: source() };
}

/** Prepare the tools; again changes nothing. */
export async function prepareTools() {
  const { cs, tools } = await readyKit();
  if (tools.hasTool(cs.LengthTool.toolName)) return;
  tools.addTool(cs.LengthTool.toolName, { getTextLines: (data) => lengthLines(data) });
  tools.addTool(cs.AngleTool.toolName, { getTextLines: (data) => angleLines(data) });
  const style = cs.annotation.config.style.getDefaultToolStyles();
  Object.assign(style.global, { color: "#7fd1ff", colorHighlighted: "#ffffff", colorSelected: "#ffffff", lineWidth: "1.5" });
  const box = { textBoxColor: "#7fd1ff", textBoxColorHighlighted: "#ffffff", textBoxColorSelected: "#ffffff" };
  const link = { textBoxLinkLineColor: "#7fd1ff", textBoxFontSize: "13px", textBoxBackground: "rgba(0,0,0,0.6)" };
  Object.assign(style.global, box, link);
  cs.annotation.config.style.setDefaultToolStyles(style);
  await useTool("");
}

/**
 * Let the left button draw with a tool, or with none.
 * @param {Tool} wanted
 */
export async function useTool(wanted) {
  const { cs, tools } = await readyKit();
  for (const name of [cs.LengthTool.toolName, cs.AngleTool.toolName]) {
    if (name === wanted) tools.setToolActive(name, { bindings: [{ mouseButton: cs.ToolEnums.MouseBindings.Primary }] });
    else tools.setToolEnabled(name);
  }
}

/**
 * Delete the last measurement on the image of a viewport.
 * @param {HTMLElement} view
 * @returns {Promise<boolean>} Whether there was one.
 */
export async function deleteLast(view) {
  const { cs } = await readyKit();
  const { state } = cs.annotation;
  const all = [cs.LengthTool.toolName, cs.AngleTool.toolName].flatMap((name) => state.getAnnotations(name, view) ?? []);
  const last = all.at(-1);
  if (last) state.removeAnnotation(last.annotationUID);
  return Boolean(last);
}

function lengthLines(data) {
  const found = statsOf(data);
  const image = found && knownImage(found.imageId);
  if (!image) return [];
  const { unit, factor, source } = calibrationOf(image.facts);
  const [from, to] = data.handles.points;
  const length = Math.hypot(from[0] - to[0], from[1] - to[1]) * factor;
  return [`${length.toFixed(1)} ${unit} (${source})`];
}

function angleLines(data) {
  const { points } = data.handles;
  if (points.length < 3) return [];
  const [one, corner, other] = points;
  const [a, b] = [one, other].map((p) => [p[0] - corner[0], p[1] - corner[1]]);
  const cosine = (a[0] * b[0] + a[1] * b[1]) / (Math.hypot(...a) * Math.hypot(...b));
  return [`${((Math.acos(Math.min(1, Math.max(-1, cosine))) * 180) / Math.PI).toFixed(1)}°`];
}

/** The image that a measurement lies on, by the key of its statistics. */
function statsOf(data) {
  const key = Object.keys(data.cachedStats ?? {}).find((name) => name.startsWith("imageId:"));
  return key ? { imageId: key.slice("imageId:".length) } : null;
}
