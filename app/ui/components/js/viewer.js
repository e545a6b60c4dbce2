/** The image viewer: 16-bit pixels, window and level, zoom and pan, stacks, and the AI's attention over them. */

import { hold } from "./dom.js";
import { loadImage } from "./image.js";
import { bindKeys } from "./keys.js";
import { link } from "./link.js";
import { readFindings, sentenceAt } from "./overlay.js";
import { drawFrame } from "./viewer_draw.js";
import { makeFrame } from "./viewer_frame.js";
import { followPointer } from "./viewer_pointer.js";
import { Viewport } from "./viewport.js";
import { greyTable, paintPixels, presetsOf } from "./window_level.js";

/**
 * @typedef {{sop: string, modality: string, number: number|null, frame?: number}} Entry
 * @typedef {{study: string, title: string, images: Entry[], findings: any[], model: string}} ViewerData
 */

const viewers = new WeakMap();
/** What a reader had set, by study: a component that is mounted again goes on where it was. */
const remembered = new Map();

class Viewer {
  constructor() {
    this.parts = makeFrame();
    this.viewport = new Viewport();
    this.source = document.createElement("canvas");
    /** @type {ViewerData|null} */
    this.data = null;
    this.image = null;
    this.frame = 0;
    this.wire();
  }

  /** @param {ViewerData} data */
  update(data) {
    const isNew = this.data?.study !== data.study;
    const images = data.images.map(({ sop }) => sop).join();
    const isSame = !isNew && this.listed === images;
    this.listed = images;
    this.data = isSame ? { ...data, images: this.data.images } : data;
    this.findings = readFindings(data.findings);
    this.parts.model.textContent = `Model ${data.model || "unknown"}`;
    this.parts.toggle.disabled = !data.model;
    this.parts.slice.max = String(Math.max(1, this.data.images.length));
    this.parts.slice.hidden = this.data.images.length < 2;
    if (isNew) this.begin();
    else if (isSame) this.draw();
    else this.show(this.state.index);
  }

  /** Start with a study as it was left, or untouched: overlay off, first window, first image. */
  begin() {
    const fresh = { index: 0, overlayOn: false, opacity: 60, invert: false, voi: null };
    this.state = remembered.get(this.data.study) ?? fresh;
    remembered.set(this.data.study, this.state);
    this.image = null;
    this.viewport.isFitted = true;
    this.parts.opacity.value = String(this.state.opacity);
    if (this.data.images.length === 0) this.say("This study has no images that can be shown.");
    else this.show(this.state.index);
  }

  /** @param {number} index */
  async show(index) {
    const { images } = this.data;
    this.state.index = Math.min(images.length - 1, Math.max(0, index));
    const entry = images[this.state.index];
    this.parts.slice.value = String(this.state.index + 1);
    if (this.image?.sop !== entry.sop) this.say("Loading ...");
    try {
      const image = await loadImage(entry.sop, entry.frame);
      if (this.data.images[this.state.index] === entry) this.adopt(image, entry);
    } catch (error) {
      this.image = null;
      this.draw();
      this.say(`This image cannot be shown: ${error.message}`);
    }
    for (const near of [this.state.index + 1, this.state.index - 1]) {
      if (images[near]) loadImage(images[near].sop, images[near].frame).catch(() => undefined);
    }
  }

  adopt(image, entry) {
    this.spreadFrames(image, entry);
    const sameSize = this.image?.facts.rows === image.facts.rows && this.image?.facts.columns === image.facts.columns;
    this.image = image;
    this.say("");
    this.presets = presetsOf(image, entry.modality);
    this.parts.presets.replaceChildren(
      ...this.presets.map(({ name }, i) => new Option(`${i + 1}  ${name}`, String(i))),
      new Option("Own", "own"),
    );
    this.state.voi ??= { ...this.presets[0] };
    this.markPreset();
    if (!sameSize) this.viewport.isFitted = true;
    this.paint();
  }

  /** A multi-frame image becomes a stack of its frames once it says how many it has. */
  spreadFrames({ facts: { frames } }, entry) {
    if (frames < 2 || entry.frame !== undefined) return;
    const at = this.data.images.indexOf(entry);
    const all = Array.from({ length: frames }, (_, frame) => ({ ...entry, frame }));
    this.data = { ...this.data, images: this.data.images.toSpliced(at, 1, ...all) };
    this.parts.slice.max = String(this.data.images.length);
    this.parts.slice.hidden = false;
  }

  wire() {
    const { parts } = this;
    followPointer(parts.stage, {
      window: (dx, dy) => this.drag(dx, dy),
      pan: (dx, dy) => this.move(() => this.viewport.pan(dx, dy)),
      zoom: (factor, x, y) => this.move(() => this.viewport.zoomAbout(factor, x, y)),
      scroll: (steps) => this.scroll(steps),
      click: (x, y) => this.choose(x, y),
      fit: () => this.fit(),
    });
    parts.presets.addEventListener("change", () => this.usePreset(Number(parts.presets.value)));
    parts.invert.addEventListener("click", () => this.invert());
    parts.fit.addEventListener("click", () => this.fit());
    parts.toggle.addEventListener("click", () => this.toggleOverlay());
    parts.opacity.addEventListener("input", () => this.setOpacity(Number(parts.opacity.value)));
    parts.slice.addEventListener("input", () => this.show(Number(parts.slice.value) - 1));
    this.watcher = new ResizeObserver(() => this.draw());
    this.watcher.observe(parts.stage);
  }

  /** Listen to the keyboard and to the editor while mounted. */
  attach() {
    this.detach?.();
    const stops = [bindKeys(this, this.bindings()), link.follow(() => this.followLink())];
    this.detach = () => stops.forEach((stop) => stop());
  }

  bindings() {
    const key = (keys, label, run) => ({ keys, label, group: "Images", run });
    return [
      key(["o"], "AI overlay on or off", () => this.toggleOverlay()),
      key(["[", "]"], "Overlay weaker, stronger", ({ key: k }) => this.setOpacity(this.state.opacity + (k === "[" ? -10 : 10))),
      key(["i"], "Invert", () => this.invert()),
      key(["f"], "Fit to the window", () => this.fit()),
      key(["1", "2", "3", "4", "5", "6"], "Window presets", ({ key: k }) => this.usePreset(Number(k) - 1)),
      key(["+", "-"], "Zoom in, out", ({ key: k }) => this.zoomMiddle(k === "+" ? 1.25 : 0.8)),
      key(["PageDown", "PageUp"], "Next, previous image", ({ key: k }) => this.scroll(k === "PageDown" ? 1 : -1)),
    ];
  }

  drag(dx, dy) {
    if (!this.image) return;
    const { voi } = this.state;
    const speed = Math.max(1, this.presets[0].width) / 600;
    voi.width = Math.max(1, voi.width + dx * speed);
    voi.center += dy * speed;
    voi.name = "Own";
    if (voi.shape === "TABLE") voi.shape = "LINEAR";
    this.parts.presets.value = "own";
    this.paint();
  }

  usePreset(index) {
    if (!this.presets?.[index]) return;
    this.state.voi = { ...this.presets[index] };
    this.markPreset();
    this.paint();
  }

  markPreset() {
    const index = this.presets.findIndex(({ name }) => name === this.state.voi.name);
    this.parts.presets.value = index < 0 ? "own" : String(index);
  }

  invert() {
    this.state.invert = !this.state.invert;
    this.parts.invert.setAttribute("aria-pressed", String(this.state.invert));
    this.paint();
  }

  fit() {
    this.viewport.isFitted = true;
    this.draw();
  }

  move(change) {
    change();
    this.draw();
  }

  zoomMiddle(factor) {
    const { clientWidth, clientHeight } = this.parts.stage;
    this.move(() => this.viewport.zoomAbout(factor, clientWidth / 2, clientHeight / 2));
  }

  scroll(steps) {
    if (this.data.images.length < 2) return false;
    this.show(this.state.index + steps);
    return true;
  }

  choose(x, y) {
    if (!this.image) return;
    const hit = sentenceAt(link.shown, this.image.sop, this.viewport.toImage(x, y));
    link.choose(hit?.key ?? null);
  }

  toggleOverlay() {
    if (!this.data.model) return;
    this.state.overlayOn = !this.state.overlayOn;
    this.draw();
  }

  setOpacity(percent) {
    this.state.opacity = Math.min(100, Math.max(0, percent));
    this.parts.opacity.value = String(this.state.opacity);
    this.draw();
  }

  /** A sentence was chosen in the editor: go to its image. */
  followLink() {
    const region = link.chosenSentence?.region;
    const index = region ? this.data.images.findIndex(({ sop }) => sop === region.sop) : -1;
    if (index >= 0 && index !== this.state.index) this.show(index);
    else this.draw();
  }

  /** Window the pixels again, then draw. */
  paint() {
    if (this.image) paintPixels(this.image, greyTable(this.image, this.state.voi, this.state.invert), this.source);
    this.draw();
  }

  draw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      if (this.data && this.parts.stage.clientWidth > 0) this.drawNow();
    });
  }

  drawNow() {
    drawFrame(this.parts, this.viewport, this.image, this.source, this.state, this.findings);
    this.describe();
  }

  /** Corner texts and the state of the tools. */
  describe() {
    const { parts, state, data } = this;
    const entry = data.images[state.index];
    const many = data.images.length > 1;
    parts.topLeft.textContent = data.title;
    parts.topRight.textContent = entry ? `${entry.modality}${many ? `  ${state.index + 1} / ${data.images.length}` : ""}` : "";
    const { voi } = state;
    parts.bottomLeft.textContent = this.image ? `W ${Math.round(voi.width)}  L ${Math.round(voi.center)}` : "";
    parts.bottomRight.textContent = this.image ? `${Math.round(100 * this.viewport.zoom)} %` : "";
    parts.toggle.setAttribute("aria-pressed", String(state.overlayOn));
    parts.invert.setAttribute("aria-pressed", String(state.invert));
    parts.opacityText.textContent = `${state.opacity} %`;
    Object.assign(parts.root.dataset, {
      overlay: state.overlayOn ? "on" : "off",
      sop: this.image?.sop ?? "",
      center: String(Math.round(voi?.center ?? 0)),
      width: String(Math.round(voi?.width ?? 0)),
    });
  }

  say(text) {
    this.parts.message.textContent = text;
    this.parts.message.hidden = !text;
  }
}

/** Mount or update; called again with every rerun of the script. */
export default function mount({ parentElement, data }) {
  const [viewer, letGo] = hold(
    parentElement,
    viewers,
    () => {
      const made = new Viewer();
      parentElement.append(made.parts.root);
      return made;
    },
    (it) => {
      it.detach();
      it.watcher.disconnect();
      it.parts.root.remove();
    },
  );
  viewer.attach();
  viewer.update(data);
  return letGo;
}
