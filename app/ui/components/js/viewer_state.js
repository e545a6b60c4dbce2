/** Shows how the viewer stands: corner texts, marks at the edges, pressed tools, the overlay and its legend. */

import { directionsOf, edgesOf } from "./orientation.js";
import { setCorners, setEdges } from "./pane_frame.js";
import { drawLayer } from "./pane_overlay.js";
import { placeOf } from "./patient_space.js";
import { drawPlanes } from "./planes.js";
import { drawReferenceLine } from "./reference_lines.js";
import { say } from "./words.js";

const NOTES = {
  chosen: () => say("Region of the chosen sentence"),
  all: () => say("All regions of the draft"),
  nothing: () => say("Nothing to show: the sentence is negated, normal or has no region"),
  none: () => say("The draft has no region on this image"),
};
const PRESETS = {
  "As sent": () => say("As sent"),
  "As sent 2": () => say("As sent 2"),
  "As sent (table)": () => say("As sent (table)"),
  Lung: () => say("Lung"),
  Mediastinum: () => say("Mediastinum"),
  Bone: () => say("Bone"),
  Brain: () => say("Brain"),
  Automatic: () => say("Automatic"),
  "Full range": () => say("Full range"),
};

/** @param {any} viewer See `viewer.js`. */
export function showState(viewer) {
  const { layout, state, findings, data } = viewer;
  const drawn = layout.panes.map((pane) => ({ pane, ...drawLayer(pane, state, findings) }));
  for (const { pane } of drawn) {
    drawPlanes(pane, state.textsOff);
    drawReferenceLine(pane, layout.active, state.textsOff);
    describePane(pane, viewer);
  }
  const active = drawn.find(({ pane }) => pane === layout.active) ?? drawn[0];
  showTools(viewer);
  showLegend(viewer, drawn, active);
  const { image, state: shown } = layout.active;
  Object.assign(viewer.parts.root.dataset, {
    overlay: state.overlayOn ? "on" : "off",
    sop: image?.sop ?? "",
    center: String(Math.round(shown.voi?.center ?? 0)),
    width: String(Math.round(shown.voi?.width ?? 0)),
    study: data.study,
  });
}

function describePane(pane, viewer) {
  const { parts, entry, image, stack, geometry } = pane;
  const isActive = viewer.layout.active === pane && viewer.layout.panes.length > 1;
  parts.root.classList.toggle("active", isActive);
  parts.root.classList.toggle("texts-off", viewer.state.textsOff);
  const many = (stack?.entries.length ?? 0) > 1;
  const colour = image?.facts.samples === 3;
  const { voi } = pane.state;
  setCorners(parts, {
    topLeft: pane.prior ? pane.prior.title : viewer.data.title,
    topRight: entry ? topRight(entry, image, many && `${pane.state.index + 1} / ${stack.entries.length}`) : "",
    bottomLeft: image && voi && !colour ? `W ${Math.round(voi.width)}  L ${Math.round(voi.center)}` : "",
    bottomRight: geometry ? `${Math.round(100 * geometry.zoom)} %` : "",
  });
  setEdges(parts, geometry ? edgesOf(directionsOf(image.facts), geometry) : null);
  parts.view.dataset.sop = image?.sop ?? "";
}

function topRight({ modality }, image, place) {
  const missing = image?.planesMissing && say("graphics of the sender not loaded");
  const damaged = image?.facts.overlayPlanesLeftOut > 0 && say("graphics of the sender cannot be shown");
  const lies = image && place && placeOf(image.facts);
  return [modality, image?.facts.laterality, place, lies, missing, damaged].filter(Boolean).join("  ");
}

function showTools({ parts, state, layout, data }) {
  const pane = layout.active;
  const press = (name, isOn) => parts[name].setAttribute("aria-pressed", String(Boolean(isOn)));
  press("toggle", state.overlayOn);
  press("invert", pane.state.invert);
  press("texts", state.textsOff);
  press("length", state.tool === "Length");
  press("angle", state.tool === "Angle");
  press("layout", layout.size > 1);
  press("prior", layout.panes.some(({ prior }) => prior));
  press("turn", pane.state.turn > 0);
  parts.opacity.value = String(state.opacity);
  parts.opacityText.textContent = `${state.opacity} %`;
  parts.model.textContent = say("Model {name}", { name: data.model || say("unknown") });
  const count = pane.stack?.entries.length ?? 0;
  parts.slice.max = String(Math.max(1, count));
  parts.slice.value = String(pane.state.index + 1);
  parts.slice.hidden = count < 2;
  listPresets(parts.presets, pane);
  listSeries(parts.series, layout);
}

function listPresets(select, { presets, state }) {
  const names = presets.map(({ name }) => name).join();
  if (select.dataset.names !== names) {
    const options = presets.map(({ name }, i) => new Option(`${i + 1}  ${PRESETS[name]()}`, String(i)));
    select.replaceChildren(...options, new Option(say("Own"), "own"));
    select.dataset.names = names;
  }
  const index = presets.findIndex(({ name }) => name === state.voi?.name);
  select.value = index < 0 ? "own" : String(index);
}

function listSeries(select, { stacks, active }) {
  select.hidden = stacks.length < 2;
  // a multi-frame image becomes many once it is known
  const names = stacks.map(({ series, entries }) => `${series} ${entries.length}`).join();
  if (select.dataset.names !== names) {
    const options = stacks.map(({ series, title, entries }, i) => new Option(`${i + 1}  ${title} (${entries.length})`, series));
    select.replaceChildren(...options);
    select.dataset.names = names;
  }
  if (!active.prior && active.stack) select.value = active.stack.series;
}

function showLegend({ parts, state }, drawn, active) {
  const boxes = drawn.reduce((sum, one) => sum + one.boxes, 0);
  parts.legend.hidden = boxes === 0 && !state.overlayOn;
  parts.note.textContent = NOTES[active.note]();
}
