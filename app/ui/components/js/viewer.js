/** The image viewer: viewports over original pixels, their tools, and the AI's attention over them. */

import { hold } from "./dom.js";
import { bindKeys } from "./keys.js";
import { link } from "./link.js";
import { Layout } from "./viewer_layout.js";
import { deleteLast, prepareTools, useTool } from "./measuring.js";
import { readFindings, sentenceAt } from "./overlay.js";
import { followPointer } from "./viewer_pointer.js";
import { makeFrame } from "./viewer_frame.js";
import { viewerKeys } from "./viewer_keys.js";
import { showState } from "./viewer_state.js";

/**
 * @typedef {{study: string, title: string, images: import("./stacks.js").Entry[], findings: any[], model: string,
 *   priors: {study: string, open: string}[], csrf: string}} ViewerData
 */

const viewers = new WeakMap();

class Viewer {
  constructor() {
    this.parts = makeFrame();
    this.state = { overlayOn: false, opacity: 60, textsOff: false, tool: "" };
    /** @type {ViewerData|null} */
    this.data = null;
    this.findings = [];
    this.frame = 0;
    this.layout = new Layout(this.parts, {
      changed: () => this.draw(),
      wire: (pane) => this.follow(pane),
    });
    this.wire();
  }

  /** @param {ViewerData} data */
  update(data) {
    const isNew = this.data?.study !== data.study;
    const listed = data.images.map(({ sop }) => sop).join();
    const isSame = !isNew && this.listed === listed;
    Object.assign(this, { data, listed, findings: readFindings(data.findings) });
    this.parts.prior.disabled = data.priors.length === 0;
    this.parts.toggle.disabled = !data.model;
    if (isNew) {
      this.state.overlayOn = false;
      // whose the next study is must not stay hidden
      this.hideTexts(false);
    }
    if (!isSame) this.layout.openStudy(data, isNew);
    this.draw();
  }

  get pane() {
    return this.layout.active;
  }

  wire() {
    const { parts } = this;
    const does = {
      invert: () => this.invert(),
      fit: () => this.fit(),
      turn: () => this.turn(),
      length: () => this.takeTool("Length"),
      angle: () => this.takeTool("Angle"),
      layout: () => this.nextLayout(),
      prior: () => this.togglePrior(),
      texts: () => this.toggleTexts(),
      toggle: () => this.toggleOverlay(),
    };
    for (const [name, run] of Object.entries(does)) parts[name].addEventListener("click", run);
    parts.presets.addEventListener("change", () => this.usePreset(Number(parts.presets.value)));
    parts.series.addEventListener("change", () => this.layout.chooseSeries(parts.series.value));
    parts.opacity.addEventListener("input", () => this.setOpacity(Number(parts.opacity.value)));
    parts.slice.addEventListener("input", () => this.scrollTo(Number(parts.slice.value) - 1));
  }

  /** Follow the mouse on a viewport. */
  follow(pane) {
    const at = (run) => (...given) => {
      this.layout.activate(pane);
      return run(...given);
    };
    followPointer(pane.parts.root, {
      isTaken: () => this.state.tool !== "",
      begin: at(() => undefined),
      window: at((dx, dy) => this.drag(dx, dy)),
      pan: at((dx, dy) => this.layout.pan(dx, dy)),
      zoom: at((factor, x, y) => this.layout.zoom(factor, x, y)),
      scroll: at((steps, isAlone) => this.scroll(steps, isAlone)),
      click: at((x, y) => this.choose(x, y)),
      fit: at(() => this.fit()),
    });
    void prepareTools().catch(() => undefined);
  }

  /** Listen to the keyboard, to the editor and to the panel of priors while mounted. */
  attach() {
    this.detach?.();
    const asked = (event) => {
      event.preventDefault();
      void this.layout.openPrior(event.detail);
    };
    link.addEventListener("prior", asked);
    // beside what else Escape does: a tool is put down
    const putDown = (event) => event.key === "Escape" && this.state.tool && this.takeTool(this.state.tool);
    document.addEventListener("keydown", putDown, true);
    const stops = [
      () => document.removeEventListener("keydown", putDown, true),
      bindKeys(this, viewerKeys(this)),
      link.follow(() => this.followLink()),
      () => link.removeEventListener("prior", asked),
    ];
    this.detach = () => stops.forEach((stop) => stop());
  }

  drag(dx, dy) {
    const { pane } = this;
    if (!pane.image || pane.image.facts.samples === 3) return;
    const { voi } = pane.state;
    const speed = Math.max(1, pane.presets[0].width) / 600;
    voi.width = Math.max(1, voi.width + dx * speed);
    voi.center += dy * speed;
    voi.name = "Own";
    if (voi.shape === "TABLE") voi.shape = "LINEAR";
    this.shade();
  }

  usePreset(index) {
    const preset = this.pane.presets[index];
    if (!preset) return;
    this.pane.state.voi = { ...preset };
    this.shade();
  }

  invert() {
    this.pane.state.invert = !this.pane.state.invert;
    this.shade();
  }

  shade() {
    this.pane.shade();
    this.draw();
  }

  fit() {
    this.layout.each((pane) => pane.fit());
  }

  turn() {
    this.pane.state.turn = (this.pane.state.turn + 1) % 4;
    this.pane.fit();
  }

  /** Mirror as the reader sees it: on a turned image the screen's left and right are the image's top and bottom. */
  mirror(isSideways) {
    const name = isSideways ? "flipX" : "flipY";
    this.pane.state[name] = !this.pane.state[name];
    this.pane.fit();
  }

  zoomMiddle(factor) {
    const { clientWidth, clientHeight } = this.pane.parts.root;
    this.layout.zoom(factor, clientWidth / 2, clientHeight / 2);
  }

  /** @returns {boolean} False when there is nothing to scroll. */
  scroll(steps, isAlone = false) {
    if ((this.pane.stack?.entries.length ?? 0) < 2) return false;
    this.layout.scroll(steps, isAlone);
    return true;
  }

  scrollTo(index) {
    this.layout.scroll(index - this.pane.state.index);
  }

  /** @param {"Length"|"Angle"} tool The same again puts it down. */
  takeTool(tool) {
    this.state.tool = this.state.tool === tool ? "" : tool;
    void useTool(this.state.tool);
    this.draw();
  }

  async deleteMeasurement() {
    if (await deleteLast(this.pane.parts.view)) this.pane.viewport.render();
  }

  nextLayout() {
    this.layout.next();
  }

  step(by) {
    this.layout.step(by);
  }

  togglePrior() {
    if (this.data.priors.length) void this.layout.togglePrior();
  }

  toggleTexts() {
    this.hideTexts(!this.state.textsOff);
  }

  /** Patient, corner texts and DICOM overlays. */
  hideTexts(areOff) {
    this.state.textsOff = areOff;
    link.hideTexts(areOff);
    this.draw();
  }

  choose(x, y) {
    const { geometry, image, prior } = this.pane;
    if (!geometry || prior) return;
    const hit = sentenceAt(link.shown, image.sop, geometry.toImage(x, y));
    link.choose(hit?.key ?? null);
  }

  toggleOverlay() {
    if (!this.data.model) return;
    this.state.overlayOn = !this.state.overlayOn;
    this.draw();
  }

  fade(by) {
    this.setOpacity(this.state.opacity + by);
  }

  setOpacity(percent) {
    this.state.opacity = Math.min(100, Math.max(0, percent));
    this.draw();
  }

  /** A sentence was chosen in the editor, or an answer has a region: go to its image. */
  followLink() {
    const region = link.region ?? link.chosenSentence?.region;
    if (region) this.layout.goTo(region.sop);
    this.draw();
  }

  /** Once a frame is enough, whatever changes. */
  draw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      if (this.data && this.parts.stage.clientWidth > 0) showState(this);
    });
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
      link.hideTexts(false);
      it.layout.close();
      it.parts.root.remove();
    },
  );
  viewer.attach();
  viewer.update(data);
  return letGo;
}
