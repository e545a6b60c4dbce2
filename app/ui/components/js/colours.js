/** The colour scale of the attention overlay: dark violet over orange to pale yellow, rising in lightness. */

const STOPS = [
  [24, 12, 66],
  [84, 20, 112],
  [150, 38, 103],
  [208, 66, 70],
  [243, 118, 32],
  [252, 183, 46],
  [250, 238, 140],
];

/**
 * Return the colour of a value.
 * @param {number} value 0 to 1.
 * @returns {[number, number, number]} Red, green, blue, 0 to 255.
 */
export function colourOf(value) {
  const place = Math.min(1, Math.max(0, value)) * (STOPS.length - 1);
  const below = Math.min(STOPS.length - 2, Math.floor(place));
  const part = place - below;
  return [0, 1, 2].map((band) => Math.round(STOPS[below][band] * (1 - part) + STOPS[below + 1][band] * part));
}

/**
 * Return how opaque the overlay is at a value, before the reader's own opacity: nothing is tinted below a quarter.
 * @param {number} value 0 to 1.
 * @returns {number} 0 to 1.
 */
export function opacityOf(value) {
  const x = Math.min(1, Math.max(0, (value - 0.25) / 0.5));
  return x * x * (3 - 2 * x);
}

/**
 * Draw the scale, highest value on top.
 * @param {HTMLCanvasElement} canvas
 */
export function drawScale(canvas) {
  const context = canvas.getContext("2d");
  for (let row = 0; row < canvas.height; row += 1) {
    const [red, green, blue] = colourOf(1 - row / (canvas.height - 1));
    context.fillStyle = `rgb(${red} ${green} ${blue})`;
    context.fillRect(0, row, canvas.width, 1);
  }
}
