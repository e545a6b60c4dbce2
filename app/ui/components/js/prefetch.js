/** Loads the images of a stack ahead of the reader: the nearest first, a few at once, until told to stop. */

const AT_ONCE = 3;

/**
 * Load `count` images around the one shown.
 * @param {number} count
 * @param {() => number} where The image shown now: asked before each load, so that the order follows the reader.
 * @param {(index: number) => Promise<unknown>} load
 * @returns {() => void} Stops it.
 */
export function prefetch(count, where, load) {
  const waiting = new Set(Array.from({ length: count }, (_, index) => index));
  let isStopped = false;
  const work = async () => {
    while (!isStopped && waiting.size > 0) {
      const index = nearest(waiting, where());
      waiting.delete(index);
      await load(index).catch(() => undefined);
    }
  };
  for (let lane = 0; lane < AT_ONCE; lane += 1) void work();
  return () => {
    isStopped = true;
  };
}

/** The waiting image nearest to the shown one; of two the next. */
function nearest(waiting, shown) {
  let best = -1;
  let least = Infinity;
  for (const index of waiting) {
    const distance = index >= shown ? index - shown : shown - index + 0.5;
    if (distance < least) [best, least] = [index, distance];
  }
  return best;
}
