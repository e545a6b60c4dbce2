/** The keys of the viewer. */

import { say } from "./words.js";

/**
 * @param {any} viewer See `viewer.js`.
 * @returns {import("./keys.js").Binding[]}
 */
export function viewerKeys(viewer) {
  const key = (keys, label, run) => ({ keys, label, group: say("Images"), run });
  return [
    key(["o"], say("AI overlay on or off"), () => viewer.toggleOverlay()),
    key(["[", "]"], say("Overlay weaker, stronger"), ({ key: k }) => viewer.fade(k === "[" ? -10 : 10)),
    key(["i"], say("Invert"), () => viewer.invert()),
    key(["f"], say("Fit to the window"), () => viewer.fit()),
    key(["x"], say("Turn by a right angle"), () => viewer.turn()),
    key(["z", "Z"], say("Mirror left and right, top and bottom"), ({ key: k }) => viewer.mirror(k === "z")),
    key(["1", "2", "3", "4", "5", "6"], say("Window presets"), ({ key: k }) => viewer.usePreset(Number(k) - 1)),
    key(["+", "-"], say("Zoom in, out"), ({ key: k }) => viewer.zoomMiddle(k === "+" ? 1.25 : 0.8)),
    key(["PageDown", "PageUp"], say("Next, previous image"), ({ key: k }) => viewer.scroll(k === "PageDown" ? 1 : -1)),
    key(["Alt+PageDown", "Alt+PageUp"], say("Next, previous image of this viewport alone"), ({ key: k }) =>
      viewer.scroll(k === "PageDown" ? 1 : -1, true),
    ),
    key(["l"], say("Measure a length"), () => viewer.takeTool("Length")),
    key(["L"], say("Measure an angle"), () => viewer.takeTool("Angle")),
    key(["Backspace"], say("Delete the last measurement"), () => viewer.deleteMeasurement()),
    key(["v"], say("One, two or four viewports"), () => viewer.nextLayout()),
    key(["p"], say("Prior beside the current study"), () => viewer.togglePrior()),
    key(["T"], say("Patient, texts and graphics over the image on or off"), () => viewer.toggleTexts()),
    key([",", "."], say("Viewport before, next"), ({ key: k }) => viewer.step(k === "." ? 1 : -1)),
  ];
}
