/** The elements of the viewer: canvases, corner texts, tool bar, colour bar. */

import { drawScale } from "./colours.js";
import { el } from "./dom.js";

/**
 * Make the elements; what each does is wired by the viewer.
 * @returns {Object<string, HTMLElement>} By name.
 */
export function makeFrame() {
  const parts = {
    image: el("canvas", { class: "layer", "data-layer": "image" }),
    overlay: el("canvas", { class: "layer", "data-layer": "overlay" }),
    topLeft: el("div", { class: "corner top left" }),
    topRight: el("div", { class: "corner top right" }),
    bottomLeft: el("div", { class: "corner bottom left" }),
    bottomRight: el("div", { class: "corner bottom right" }),
    message: el("div", { class: "message", role: "status" }),
    presets: el("select", { "aria-label": "Window preset", title: "Window preset (1 to 6)" }),
    invert: tool("Invert", "i"),
    fit: tool("Fit", "f"),
    toggle: tool("AI overlay", "o"),
    opacity: el("input", { type: "range", min: 0, max: 100, step: 5, "aria-label": "Opacity of the AI overlay" }),
    opacityText: el("output", { class: "number" }),
    slice: el("input", { type: "range", min: 1, max: 1, step: 1, class: "slice", "aria-label": "Image of the stack" }),
    scale: el("canvas", { width: 10, height: 112, "aria-hidden": true }),
    model: el("div", { class: "model" }),
    note: el("div", { class: "note" }),
  };
  drawScale(parts.scale);
  parts.legend = makeLegend(parts);
  parts.stage = makeStage(parts);
  parts.root = el("section", { class: "viewer", "aria-label": "Images" }, makeTools(parts), parts.stage);
  return parts;
}

function tool(name, key) {
  return el("button", { type: "button", title: `${name} (${key})`, "aria-keyshortcuts": key, "aria-pressed": "false" }, name);
}

function makeTools(parts) {
  return el(
    "div",
    { class: "tools", role: "toolbar", "aria-label": "Image tools" },
    parts.presets,
    parts.invert,
    parts.fit,
    el("span", { class: "gap" }),
    parts.slice,
    el("span", { class: "group" }, parts.toggle, parts.opacity, parts.opacityText),
  );
}

function makeLegend(parts) {
  return el(
    "div",
    { class: "legend", hidden: true },
    el("div", { class: "scale" }, el("span", { text: "high" }), parts.scale, el("span", { text: "low" })),
    el(
      "div",
      { class: "words" },
      el("strong", { text: "AI attention - not a measurement" }),
      parts.model,
      parts.note,
    ),
  );
}

function makeStage(parts) {
  return el(
    "div",
    {
      class: "stage",
      tabindex: 0,
      role: "img",
      "aria-label": "Image: drag to set window and level, right drag to pan, wheel to zoom or scroll",
    },
    parts.image,
    parts.overlay,
    parts.topLeft,
    parts.topRight,
    parts.bottomLeft,
    parts.bottomRight,
    parts.legend,
    parts.message,
  );
}
