// Watches what is drawn: a canvas counts as a picture once its pixels differ; each other picture is a new one.
(() => {
  const small = new OffscreenCanvas(24, 24).getContext("2d", { willReadFrequently: true });
  const seen = { first: null, key: "", changes: [] };

  function* canvases(root) {
    for (const node of root.querySelectorAll("*")) {
      if (node instanceof HTMLCanvasElement && node.width >= 300 && node.clientWidth >= 300) yield node;
      if (node.shadowRoot) yield* canvases(node.shadowRoot);
    }
  }

  function lookAt(canvas) {
    small.clearRect(0, 0, 24, 24);
    // the middle alone: corner texts and cursors are no picture
    const { width, height } = canvas;
    small.drawImage(canvas, width * 0.1, height * 0.25, width * 0.8, height * 0.5, 0, 0, 24, 24);
    const { data } = small.getImageData(0, 0, 24, 24);
    let low = 255;
    let high = 0;
    let key = 0;
    for (let i = 0; i < data.length; i += 4) {
      const value = data[i + 3] ? data[i] : 0;
      low = Math.min(low, value);
      high = Math.max(high, value);
      key = (key * 31 + value) | 0;
    }
    return high - low > 30 ? String(key) : "";
  }

  function watch() {
    const keys = document.body ? [...canvases(document)].map(lookAt).filter(Boolean) : [];
    const key = keys[0] ?? "";
    if (key && key !== seen.key) {
      const at = performance.now();
      seen.first ??= at;
      seen.changes.push(at);
      seen.key = key;
    }
    requestAnimationFrame(watch);
  }
  requestAnimationFrame(watch);

  // resolves to the milliseconds from the start of the page to its first picture
  window.benchSeen = seen;
  window.benchFirst = async (patience = 120000) => {
    while (seen.first === null && performance.now() < patience) await new Promise((next) => requestAnimationFrame(next));
    return seen.first;
  };
  window.addEventListener("wheel", () => Object.assign(seen, { turned: performance.now(), before: seen.changes.length }), {
    capture: true,
  });
  // resolves to the milliseconds from the wheel's turn until another picture was there
  window.benchStep = async (patience = 5000) => {
    while (seen.turned === undefined || seen.changes.length === seen.before) {
      if (performance.now() - (seen.turned ?? 0) > patience) return null;
      await new Promise((next) => requestAnimationFrame(next));
    }
    return seen.changes[seen.before] - seen.turned;
  };
})();
