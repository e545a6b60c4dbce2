/** A panel that reaches down to the edge of the window, whatever stands above it: its foot is always in sight. */

const EDGE = 8;

/**
 * Keep the height of a panel so that it ends at the window's edge; a small window scrolls instead.
 * @param {HTMLElement} panel In a shadow root of the page.
 * @returns {() => void} Stops it.
 */
export function fillDown(panel) {
  const column = panel.getRootNode().host?.closest('[data-testid="stColumn"]');
  const page = panel.getRootNode().host?.closest('[data-testid="stMain"]');
  const fit = () => {
    const top = panel.getBoundingClientRect().top + (page?.scrollTop ?? 0);
    const height = `${Math.max(0, window.innerHeight - top - EDGE)}px`;
    if (panel.style.height !== height) panel.style.height = height;
  };
  const watcher = new ResizeObserver(fit);
  for (const above of column ? column.querySelectorAll('[data-testid="stElementContainer"]') : []) watcher.observe(above);
  if (column) watcher.observe(column);
  window.addEventListener("resize", fit);
  fit();
  return () => {
    watcher.disconnect();
    window.removeEventListener("resize", fit);
  };
}
