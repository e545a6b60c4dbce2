/** The elements around the viewports: tool bar and the legend of the overlay. */

import { drawScale } from "./colours.js";
import { el } from "./dom.js";
import { say } from "./words.js";

/**
 * Make the elements; what each does is wired by the viewer.
 * @returns {Object<string, HTMLElement>} By name.
 */
export function makeFrame() {
  const parts = {
    stage: el("div", { class: "stage" }),
    series: el("select", { "aria-label": say("Series"), title: say("Series") }),
    presets: el("select", { "aria-label": say("Window preset"), title: say("Window preset (1 to 6)") }),
    invert: tool(say("Invert"), "i"),
    fit: tool(say("Fit"), "f"),
    turn: tool(say("Turn"), "x"),
    length: tool(say("Length"), "l"),
    angle: tool(say("Angle"), "L"),
    layout: tool(say("Layout"), "v"),
    prior: tool(say("Prior"), "p"),
    texts: tool(say("Texts"), "T"),
    toggle: tool(say("AI overlay"), "o"),
    opacity: el("input", { type: "range", min: 0, max: 100, step: 5, "aria-label": say("Opacity of the AI overlay") }),
    opacityText: el("output", { class: "number" }),
    slice: el("input", { type: "range", min: 1, max: 1, step: 1, class: "slice", "aria-label": say("Image of the stack") }),
    scale: el("canvas", { width: 10, height: 112, "aria-hidden": true }),
    model: el("div", { class: "model" }),
    note: el("div", { class: "note" }),
  };
  drawScale(parts.scale);
  parts.legend = makeLegend(parts);
  parts.stage.append(parts.legend);
  parts.root = el("section", { class: "viewer", "aria-label": say("Images") }, makeTools(parts), parts.stage);
  return parts;
}

function tool(name, key) {
  return el("button", { type: "button", title: `${name} (${key})`, "aria-keyshortcuts": key, "aria-pressed": "false" }, name);
}

function makeTools(parts) {
  return el(
    "div",
    { class: "tools", role: "toolbar", "aria-label": say("Image tools") },
    parts.presets,
    parts.series,
    parts.invert,
    parts.fit,
    parts.turn,
    parts.length,
    parts.angle,
    parts.layout,
    parts.prior,
    parts.texts,
    el("span", { class: "gap" }),
    parts.slice,
    el("span", { class: "group" }, parts.toggle, parts.opacity, parts.opacityText),
  );
}

function makeLegend(parts) {
  return el(
    "div",
    { class: "legend", hidden: true },
    el("div", { class: "scale" }, el("span", { text: say("high") }), parts.scale, el("span", { text: say("low") })),
    el(
      "div",
      { class: "words" },
      el("strong", { text: say("AI attention - not a measurement") }),
      parts.model,
      parts.note,
    ),
  );
}
