/** Cornerstone3D, loaded once and only where images are shown, with our own loader of pixels behind it. */

import { loadImage } from "./image.js";
import { describePixels, forgetImage, toCornerstone } from "./cornerstone_image.js";

/**
 * @typedef {object} Kit
 * @property {typeof import("../cornerstone/cornerstone.js")} cs
 * @property {any} engine The one rendering engine of the page: a browser has few WebGL contexts.
 * @property {any} tools The group of the measuring tools.
 */

const SCHEME = "janus";
const CACHE_BYTES = 768 * 2 ** 20;
/** @type {Promise<Kit>|null} */
let kit = null;
let isReady = false;

/** @returns {Promise<Kit>} */
export function readyKit() {
  kit ??= makeKit().catch((error) => {
    kit = null;
    throw error;
  });
  return kit;
}

export function isKitReady() {
  return isReady;
}

async function makeKit() {
  const cs = await import("../cornerstone/cornerstone.js");
  await cs.init();
  cs.cache.setMaxCacheSize(CACHE_BYTES);
  cs.imageLoader.registerImageLoader(SCHEME, (imageId) => ({ promise: loadFor(cs, imageId) }));
  cs.metaData.addProvider((kind, imageId) => describePixels(kind, imageId), 1000);
  cs.eventTarget.addEventListener(cs.Enums.Events.IMAGE_CACHE_IMAGE_REMOVED, ({ detail }) => forgetImage(detail.imageId));
  await cs.initTools();
  cs.addTool(cs.LengthTool);
  cs.addTool(cs.AngleTool);
  isReady = true;
  return { cs, engine: new cs.RenderingEngine("reading-room"), tools: cs.ToolGroupManager.createToolGroup("measure") };
}

async function loadFor(cs, imageId) {
  const { sop, frame } = readImageId(imageId);
  return toCornerstone(cs, imageId, await loadImage(sop, frame));
}

/**
 * Name an image for Cornerstone3D.
 * @param {{sop: string, frame?: number}} entry
 */
export function imageIdOf({ sop, frame = 0 }) {
  return `${SCHEME}:${sop}#${frame}`;
}

/** @param {string} imageId */
export function readImageId(imageId) {
  const [sop, frame] = imageId.slice(SCHEME.length + 1).split("#");
  return { sop, frame: Number(frame) };
}
