/** Gets Cornerstone3D ready while the list is read, so that the first case of a day opens like the others. */

import { readyKit } from "./cornerstone_kit.js";

const whenIdle = window.requestIdleCallback ?? ((run) => window.setTimeout(run, 500));

/** Begin once the browser has nothing else to do; a browser that cannot draw images says so where they are shown. */
export function getReadyForImages() {
  whenIdle(() => void readyKit().catch(() => undefined));
}
