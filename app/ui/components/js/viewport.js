/** Where the image lies on the screen: fit, zoom about a point, pan; square pixels are not assumed. */

export class Viewport {
  constructor() {
    this.zoom = 1;
    this.left = 0;
    this.top = 0;
    /** Height of a pixel over its width. */
    this.aspect = 1;
    this.isFitted = true;
  }

  /**
   * Show the whole image in the middle.
   * @param {{columns: number, rows: number, spacing: [number, number]|null}} facts
   * @param {number} width Screen pixels.
   * @param {number} height Screen pixels.
   */
  fit({ columns, rows, spacing }, width, height) {
    this.aspect = spacing ? spacing[0] / spacing[1] : 1;
    this.zoom = Math.min(width / columns, height / (rows * this.aspect));
    this.left = (width - columns * this.zoom) / 2;
    this.top = (height - rows * this.aspect * this.zoom) / 2;
    this.isFitted = true;
  }

  /**
   * Zoom so that the point under (x, y) stays.
   * @param {number} factor
   * @param {number} x Screen pixels.
   * @param {number} y Screen pixels.
   */
  zoomAbout(factor, x, y) {
    const zoom = Math.min(40, Math.max(0.02, this.zoom * factor));
    this.left = x - ((x - this.left) * zoom) / this.zoom;
    this.top = y - ((y - this.top) * zoom) / this.zoom;
    this.zoom = zoom;
    this.isFitted = false;
  }

  /** Move by screen pixels. */
  pan(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.isFitted = false;
  }

  /** Screen position of an image position: columns and rows, (0, 0) the corner of the top left pixel. */
  toScreen(column, row) {
    return [this.left + column * this.zoom, this.top + row * this.zoom * this.aspect];
  }

  /** Image position of a screen position. */
  toImage(x, y) {
    return [(x - this.left) / this.zoom, (y - this.top) / (this.zoom * this.aspect)];
  }

  /** Make a canvas context draw in image columns and rows. */
  apply(context, ratio) {
    const scale = this.zoom * ratio;
    context.setTransform(scale, 0, 0, scale * this.aspect, this.left * ratio, this.top * ratio);
  }
}
