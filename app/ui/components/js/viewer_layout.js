/** Which viewports there are and what each shows: stacks of the study, and the prior beside it. */

import { freshState, Pane } from "./pane.js";
import { openPriorImages } from "./prior_images.js";
import { stepsOf } from "./scroll_together.js";
import { stacksOf } from "./stacks.js";
import { say } from "./words.js";

const SIZES = [1, 2, 4];
/** What a reader had set, by study and series: a component that is mounted again goes on where it was. */
const remembered = new Map();

export class Layout {
  /**
   * @param {Object<string, HTMLElement>} parts Of the viewer.
   * @param {{changed: () => void, wire: (pane: Pane) => void}} events
   */
  constructor(parts, events) {
    Object.assign(this, { parts, events });
    /** @type {Pane[]} */
    this.panes = [];
    /** @type {import("./stacks.js").Stack[]} */
    this.stacks = [];
    this.size = 1;
    this.add();
    this.active = this.panes[0];
  }

  /**
   * Show a study; a known one goes on where it was.
   * @param {import("./viewer.js").ViewerData} data
   * @param {boolean} isNew
   */
  openStudy(data, isNew) {
    const known = this.active.entry?.sop;
    this.data = data;
    this.stacks = stacksOf(data.images);
    if (isNew) this.resize(1);
    this.panes.forEach((pane, place) => pane.prior || this.showStack(pane, this.stacks[place] ?? this.stacks[0]));
    if (!isNew && known) this.goTo(known);
  }

  showStack(pane, stack) {
    if (!stack) return void pane.open({ series: "", title: "", entries: [] }, freshState());
    const name = `${this.data.study} ${stack.series}`;
    if (!remembered.has(name)) remembered.set(name, freshState());
    // two viewports of one series each keep a place of their own
    const isShown = this.panes.some((other) => other !== pane && other.stack?.series === stack.series);
    const state = isShown ? { ...remembered.get(name) } : remembered.get(name);
    void pane.open(stack, state);
  }

  add() {
    const pane = new Pane({ changed: () => this.events.changed(), spread: () => this.events.changed() });
    this.panes.push(pane);
    this.parts.stage.append(pane.parts.root);
    pane.parts.root.addEventListener("focus", () => this.activate(pane));
    this.events.wire(pane);
    return pane;
  }

  /** Show one, two or four viewports. */
  next() {
    this.resize(SIZES[(SIZES.indexOf(this.size) + 1) % SIZES.length]);
  }

  resize(size) {
    this.size = size;
    while (this.panes.length > size) this.panes.pop().close();
    while (this.panes.length < size) this.showStack(this.add(), this.stacks[this.panes.length - 1] ?? this.stacks[0]);
    this.parts.stage.dataset.panes = String(size);
    if (!this.panes.includes(this.active)) this.active = this.panes[0];
    this.events.changed();
  }

  activate(pane) {
    if (this.active === pane) return;
    this.active = pane;
    // the keyboard goes along, if it was on another viewport
    const focused = this.parts.stage.getRootNode().activeElement;
    if (this.panes.some(({ parts }) => parts.root === focused)) pane.parts.root.focus({ preventScroll: true });
    this.events.changed();
  }

  step(by) {
    const place = (this.panes.indexOf(this.active) + by + this.panes.length) % this.panes.length;
    this.panes[place].parts.root.focus();
    this.activate(this.panes[place]);
  }

  chooseSeries(series) {
    const stack = this.stacks.find((one) => one.series === series);
    if (stack && !this.active.prior) this.showStack(this.active, stack);
  }

  /** Go to an image, in the viewport that shows its series or else in the first of the study. */
  goTo(sop) {
    const stack = this.stacks.find(({ entries }) => entries.some((entry) => entry.sop === sop));
    if (!stack) return;
    const own = this.panes.filter(({ prior }) => !prior);
    const pane = own.find((one) => one.stack?.series === stack.series) ?? own[0];
    if (pane.entry?.sop === sop) return;
    if (pane.stack?.series !== stack.series) this.showStack(pane, stack);
    void pane.show(stack.entries.findIndex((entry) => entry.sop === sop));
  }

  /** Put the most relevant prior beside the study, or take it away. */
  async togglePrior() {
    if (this.panes.some(({ prior }) => prior)) this.resize(1);
    else await this.openPrior(this.data.priors[0].study);
  }

  /** @param {string} priorUid */
  async openPrior(priorUid) {
    const { study, csrf, priors } = this.data;
    const offered = priors.find((prior) => prior.study === priorUid);
    if (!offered) return;
    if (this.size < 2) this.resize(2);
    const pane = this.panes.find(({ prior }) => prior) ?? this.panes.at(-1);
    pane.prior = { date: "", title: "" };
    pane.parts.root.classList.add("is-prior");
    pane.parts.banner.hidden = false;
    pane.parts.banner.textContent = say("PRIOR");
    pane.say(say("Loading ..."));
    try {
      const found = await openPriorImages(offered.open, csrf);
      if (pane.isClosed || this.data.study !== study) return;
      pane.prior = found;
      pane.parts.banner.textContent = say("PRIOR of {date}", { date: found.date || "?" });
      const [stack] = stacksOf(found.images);
      await pane.open(stack ?? { series: "", title: "", entries: [] }, freshState());
    } catch (error) {
      pane.say(say("The prior cannot be shown: {reason}", { reason: error.message }));
    }
    this.events.changed();
  }

  /**
   * Scroll; the prior follows its study, unless `isAlone`: then the two are shifted against each other.
   * @param {number} steps
   * @param {boolean} [isAlone]
   */
  scroll(steps, isAlone = false) {
    const lead = this.active;
    const moved = (isAlone ? [lead] : this.together()).filter((pane) => pane.stack?.entries.length > 1);
    const wanted = moved.map((pane) => (pane === lead ? steps : stepsOf(lead, pane, steps)));
    moved.forEach((pane, place) => pane.scroll(wanted[place]));
  }

  pan(dx, dy) {
    for (const pane of this.together()) pane.pan(dx, dy);
  }

  zoom(factor, x, y) {
    const { clientWidth, clientHeight } = this.active.parts.root;
    const [across, down] = [x / clientWidth, y / clientHeight];
    for (const pane of this.together()) {
      pane.zoomAbout(factor, across * pane.parts.root.clientWidth, down * pane.parts.root.clientHeight);
    }
  }

  /** The viewports that move with the active one. */
  together() {
    const isCompared = this.panes.some(({ prior }) => prior);
    return isCompared ? this.panes : [this.active];
  }

  each(run) {
    this.together().forEach(run);
  }

  close() {
    this.panes.forEach((pane) => pane.close());
    this.panes = [];
  }
}
