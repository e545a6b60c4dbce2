/** The images of a study as stacks: one a series, in the order of their numbers. */

/**
 * @typedef {{sop: string, series: string, modality: string, number: number|null, frame?: number}} Entry
 * @typedef {{series: string, title: string, entries: Entry[]}} Stack
 */

/**
 * Group images by their series; single images of one series stay together.
 * @param {Entry[]} images In the order that the server gives: by series and number.
 * @returns {Stack[]}
 */
export function stacksOf(images) {
  /** @type {Map<string, Stack>} */
  const stacks = new Map();
  for (const image of images) {
    const series = image.series ?? "";
    if (!stacks.has(series)) stacks.set(series, { series, title: image.title ?? image.modality, entries: [] });
    stacks.get(series).entries.push(image);
  }
  return [...stacks.values()];
}

/**
 * Spread a multi-frame image into its frames, once it says how many it has.
 * @param {Stack} stack
 * @param {Entry} entry
 * @param {number} frames
 * @returns {boolean} Whether anything changed.
 */
export function spreadFrames(stack, entry, frames) {
  if (frames < 2 || entry.frame !== undefined) return false;
  const all = Array.from({ length: frames }, (_, frame) => ({ ...entry, frame }));
  stack.entries.splice(stack.entries.indexOf(entry), 1, ...all);
  return true;
}
