/** Whether a person is at the screen. Polling stops when nobody is, so that an idle session really ends. */

let last = Date.now();
const channel = "BroadcastChannel" in window ? new BroadcastChannel("janus-activity") : null;
let announced = 0;

function note() {
  last = Date.now();
  if (channel && last - announced > 5000) {
    announced = last;
    channel.postMessage(last);
  }
}

for (const event of ["pointerdown", "pointermove", "keydown", "wheel"]) {
  window.addEventListener(event, note, { passive: true, capture: true });
}
if (channel) channel.onmessage = (message) => (last = Math.max(last, Number(message.data) || 0));

/**
 * Tell how long ago the person touched mouse or keyboard, in any tab.
 * @returns {number} Milliseconds.
 */
export function idleFor() {
  return Date.now() - last;
}

/**
 * Run `work` every `period` while somebody is there and the page is in view.
 * @param {number} period Milliseconds.
 * @param {() => unknown} work
 * @returns {() => void} Stops it.
 */
export function whilePresent(period, work) {
  const timer = window.setInterval(() => {
    if (!document.hidden && idleFor() < 60_000) work();
  }, period);
  return () => window.clearInterval(timer);
}
