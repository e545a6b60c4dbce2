/** One viewport: a stack of images drawn by Cornerstone3D, with its own window, place and turn. */

import { imageIdOf, isKitReady, readyKit } from "./cornerstone_kit.js";
import { knownImage } from "./cornerstone_image.js";
import { beginLoading } from "./image.js";
import { Geometry } from "./geometry.js";
import { makePane } from "./pane_frame.js";
import { loadPlanes } from "./planes.js";
import { prefetch } from "./prefetch.js";
import { spreadFrames } from "./stacks.js";
import { curvePoints, presetsOf } from "./window_level.js";
import { say } from "./words.js";

/**
 * @typedef {import("./stacks.js").Entry} Entry
 * @typedef {{index: number, voi: any, invert: boolean, turn: number, flipX: boolean, flipY: boolean}} PaneState
 * @typedef {{changed: () => void, spread: () => void}} PaneEvents
 */

let made = 0;

/** @returns {PaneState} */
export function freshState() {
  return { index: 0, voi: null, invert: false, turn: 0, flipX: false, flipY: false };
}

export class Pane {
  /** @param {PaneEvents} events */
  constructor(events) {
    made += 1;
    this.id = `pane-${made}`;
    this.events = events;
    this.parts = makePane();
    /** @type {import("./stacks.js").Stack|null} */
    this.stack = null;
    /** @type {PaneState} */
    this.state = freshState();
    /** @type {import("./image.js").Image|null} */
    this.image = null;
    this.presets = [];
    this.prior = null;
    this.kit = null;
    this.curve = null;
    /** Where in the stack it would be if there were images between the images. */
    this.exact = 0;
    this.stop = () => {};
    this.watcher = new ResizeObserver(() => this.resize());
    this.watcher.observe(this.parts.view);
  }

  /** Begin to draw: the element is on the page. */
  async enable() {
    const kit = await readyKit();
    if (this.isClosed || this.kit) return;
    kit.engine.enableElement({
      viewportId: this.id,
      element: this.parts.view,
      type: kit.cs.Enums.ViewportType.STACK,
      defaultOptions: { background: [0, 0, 0] },
    });
    kit.tools.addViewport(this.id, kit.engine.id);
    this.parts.view.addEventListener(kit.cs.Enums.Events.CAMERA_MODIFIED, () => this.events.changed());
    this.kit = kit;
  }

  get viewport() {
    return this.kit?.engine.getViewport(this.id) ?? null;
  }

  /** @returns {Geometry|null} Null while there is no image. */
  get geometry() {
    return this.image && this.viewport ? Geometry.of(this.viewport, this.image.facts.spacing) : null;
  }

  get entry() {
    return this.stack?.entries[this.state.index] ?? null;
  }

  /**
   * Show a stack, where it was left.
   * @param {import("./stacks.js").Stack} stack
   * @param {PaneState} state
   */
  async open(stack, state) {
    this.stop();
    Object.assign(this, { stack, state, image: null, listed: "" });
    if (stack.entries.length === 0) return this.say(say("This study has no images that can be shown."));
    await this.show(state.index);
  }

  /** @param {number} index */
  async show(index) {
    const { entries } = this.stack;
    this.state.index = Math.min(entries.length - 1, Math.max(0, index));
    const entry = this.entry;
    if (!this.image) this.say(say("Loading ..."));
    // pixels and Cornerstone3D come side by side; once it is there its cache knows what is to be fetched
    if (!isKitReady()) beginLoading(entry);
    try {
      await this.enable();
      await this.draw(entry);
    } catch (error) {
      if (this.entry !== entry) return;
      this.image = null;
      this.say(say("This image cannot be shown: {reason}", { reason: error.message ?? error.error?.message ?? String(error) }));
      this.events.changed();
    }
  }

  /**
   * Go on in the stack. Parts of an image add up, so that a stack of other slices does not fall behind.
   * @param {number} steps
   */
  scroll(steps) {
    const last = this.stack.entries.length - 1;
    const from = Math.round(this.exact) === this.state.index ? this.exact : this.state.index;
    this.exact = Math.min(last, Math.max(0, from + steps));
    void this.show(Math.round(this.exact));
  }

  /** Draw an image of the stack, unless the reader has gone on meanwhile. */
  async draw(entry) {
    const { cs } = this.kit;
    const id = imageIdOf(entry);
    await cs.imageLoader.loadAndCacheImage(id);
    if (this.entry !== entry || this.isClosed) return;
    const image = knownImage(id);
    if (spreadFrames(this.stack, entry, image.facts.frames)) {
      this.events.spread();
      return this.show(this.state.index);
    }
    await this.place(id);
    if (this.entry !== entry || this.isClosed) return;
    this.adopt(image);
  }

  /** Give Cornerstone3D the stack, or the place in it. */
  async place(id) {
    const ids = this.stack.entries.map(imageIdOf);
    const listed = ids.join();
    if (this.listed === listed) return this.viewport.setImageIdIndex(this.state.index);
    this.listed = listed;
    await this.viewport.setStack(ids, ids.indexOf(id));
    this.turn();
    this.stop();
    const { imageLoader } = this.kit.cs;
    if (ids.length > 1) {
      this.stop = prefetch(ids.length, () => this.state.index, (i) => imageLoader.loadAndCacheImage(ids[i]));
    }
  }

  /** @param {import("./image.js").Image} image */
  adopt(image) {
    const isFirst = this.image === null;
    this.image = image;
    this.say("");
    if (isFirst || this.stack.entries.length < 40) this.presets = presetsOf(image, this.entry.modality);
    this.state.voi ??= { ...this.presets[0] };
    this.shade();
    this.events.changed();
    if (image.facts.overlayPlanes > 0) void loadPlanes(image).then(() => this.events.changed());
  }

  /**
   * Apply window, inversion and polarity. The curve is always made anew: Cornerstone3D only stretches the one that is
   * there, so that a straight window after a table would keep the steps of the table.
   */
  shade() {
    const { viewport, image, state } = this;
    if (!viewport || !image) return;
    if (image.facts.samples !== 3) {
      const invert = state.invert !== image.facts.inverted;
      this.curve ??= this.kit.cs.ColorTransferFunction.newInstance();
      this.curve.removeAllPoints();
      for (const [value, share] of curvePoints(image, state.voi)) {
        const grey = invert ? 1 - share : share;
        this.curve.addRGBPoint(value, grey, grey, grey);
      }
      viewport.getDefaultActor().actor.getProperty().setRGBTransferFunction(0, this.curve);
    }
    viewport.render();
  }

  /** Turn and mirror the image as its state says, and fit it. */
  turn() {
    const { viewport, state } = this;
    if (!viewport) return;
    viewport.setCamera({ flipHorizontal: false, flipVertical: false });
    viewport.resetCamera();
    viewport.setViewPresentation({ rotation: 90 * state.turn });
    viewport.setCamera({ flipHorizontal: state.flipX, flipVertical: state.flipY });
    viewport.render();
    this.isFitted = true;
  }

  fit() {
    this.turn();
    this.events.changed();
  }

  pan(dx, dy) {
    if (!this.image) return;
    this.isFitted = false;
    const [x, y] = this.viewport.getPan();
    this.viewport.setPan([x + dx, y + dy]);
    this.viewport.render();
  }

  /** Zoom so that the point under (x, y) stays. */
  zoomAbout(factor, x, y) {
    const before = this.geometry;
    if (!before) return;
    const point = before.toImage(x, y);
    const zoom = this.viewport.getZoom() * factor;
    this.viewport.setZoom(Math.min(60, Math.max(0.1, zoom)));
    const [nowX, nowY] = this.geometry.toScreen(...point);
    this.pan(x - nowX, y - nowY);
  }

  resize() {
    if (!this.kit || this.parts.view.clientWidth === 0) return;
    window.cancelAnimationFrame(this.resizing);
    this.resizing = window.requestAnimationFrame(() => {
      if (this.isClosed) return;
      this.kit.engine.resize(true, true);
      if (this.isFitted) this.turn();
      this.events.changed();
    });
  }

  say(text) {
    this.parts.message.textContent = text;
    this.parts.message.hidden = !text;
  }

  close() {
    this.isClosed = true;
    this.stop();
    this.watcher.disconnect();
    if (this.kit) {
      this.kit.tools.removeViewports(this.kit.engine.id, this.id);
      this.kit.engine.disableElement(this.id);
    }
    this.parts.root.remove();
  }
}
