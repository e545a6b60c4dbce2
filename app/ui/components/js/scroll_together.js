/** A prior follows its study by millimetres, not by images: their slices are seldom equally far apart. */

import { imageIdOf } from "./cornerstone_kit.js";
import { knownImage } from "./cornerstone_image.js";
import { distanceTo } from "./patient_space.js";

/**
 * Return how many images another stack goes on while `lead` goes on by `steps`.
 * @param {import("./pane.js").Pane} lead
 * @param {import("./pane.js").Pane} other
 * @param {number} steps
 * @returns {number} May be a part of an image; `steps` itself where the images do not say how far apart they are.
 */
export function stepsOf(lead, other, steps) {
  const [own, theirs] = [gapOf(lead, lead), gapOf(other, lead)];
  return own && theirs ? (steps * own) / theirs : steps;
}

/** Millimetres from one image of a stack to the next, along the normal of `lead`; null while none are known. */
function gapOf({ stack, state }, lead) {
  const here = state.index;
  for (const first of [here, here - 1]) {
    const [one, next] = [first, first + 1].map((index) => stack.entries[index] && knownImage(imageIdOf(stack.entries[index])));
    if (!one || !next || !lead.image) continue;
    const [near, far] = [distanceTo(lead.image.facts, one.facts), distanceTo(lead.image.facts, next.facts)];
    if (near !== null && far !== null && Math.abs(far - near) > 0.01) return far - near;
  }
  return null;
}
