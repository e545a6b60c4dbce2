/** The mouse on an image: left drag windows, right or middle drag pans, wheel zooms or scrolls, a click chooses. */

/**
 * @typedef {object} PointerActions
 * @property {(dx: number, dy: number) => void} window
 * @property {(dx: number, dy: number) => void} pan
 * @property {(factor: number, x: number, y: number) => void} zoom
 * @property {(steps: number, isAlone: boolean) => boolean} scroll False when there is nothing to scroll.
 * @property {(x: number, y: number) => void} click
 * @property {() => void} fit
 * @property {() => boolean} isTaken Whether the left button draws with a tool.
 * @property {() => void} begin A button went down here.
 */

const CLICK_RANGE = 4;

/**
 * Wire the mouse.
 * @param {HTMLElement} stage
 * @param {PointerActions} actions
 */
export function followPointer(stage, actions) {
  let drag = null;

  stage.addEventListener("pointerdown", (event) => {
    if (event.target instanceof HTMLElement && event.target.closest("button, input, select")) return;
    actions.begin();
    if (event.button === 0 && actions.isTaken()) return;
    drag = { button: event.shiftKey ? 1 : event.button, x: event.clientX, y: event.clientY, moved: 0 };
    stage.setPointerCapture(event.pointerId);
  });

  stage.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const dx = event.clientX - drag.x;
    const dy = event.clientY - drag.y;
    drag = { ...drag, x: event.clientX, y: event.clientY, moved: drag.moved + Math.abs(dx) + Math.abs(dy) };
    if (drag.moved < CLICK_RANGE) return;
    if (drag.button === 0) actions.window(dx, dy);
    else actions.pan(dx, dy);
  });

  stage.addEventListener("pointerup", (event) => {
    const ended = drag;
    drag = null;
    if (!ended || ended.button !== 0 || ended.moved >= CLICK_RANGE) return;
    const { left, top } = stage.getBoundingClientRect();
    actions.click(event.clientX - left, event.clientY - top);
  });

  stage.addEventListener("pointercancel", () => (drag = null));
  stage.addEventListener("contextmenu", (event) => event.preventDefault());
  stage.addEventListener("dblclick", () => actions.fit());
  stage.addEventListener("wheel", (event) => followWheel(event, stage, actions), { passive: false });
}

function followWheel(event, stage, actions) {
  event.preventDefault();
  if (!event.ctrlKey && actions.scroll(Math.sign(event.deltaY), event.altKey)) return;
  const { left, top } = stage.getBoundingClientRect();
  actions.zoom(Math.exp(-event.deltaY * 0.0015), event.clientX - left, event.clientY - top);
}
