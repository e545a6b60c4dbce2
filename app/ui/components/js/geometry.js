/** Where an image lies on the screen: an affine map between its pixels and a viewport's canvas, whatever turns it. */

/**
 * Pixel positions are columns and rows; (0, 0) is the corner of the top left pixel. Screen positions are CSS pixels.
 */
export class Geometry {
  /**
   * @param {number[]} matrix [a, b, c, d, e, f]: screen x = a column + c row + e, screen y = b column + d row + f.
   */
  constructor(matrix) {
    this.matrix = matrix;
  }

  /**
   * Read the map of a viewport of Cornerstone3D.
   * @param {any} viewport With an image.
   * @param {[number, number]} spacing Of rows and of columns; the image plane of `cornerstone_image.js`.
   */
  static of(viewport, [rowSpacing, columnSpacing]) {
    // the middle of the first pixel is the origin of the plane
    const at = (column, row) => viewport.worldToCanvas([(column - 0.5) * columnSpacing, (row - 0.5) * rowSpacing, 0]);
    const [e, f] = at(0, 0);
    // far apart: screen positions may be rounded
    const [far, down] = [at(1000, 0), at(0, 1000)];
    return new Geometry([(far[0] - e) / 1000, (far[1] - f) / 1000, (down[0] - e) / 1000, (down[1] - f) / 1000, e, f]);
  }

  toScreen(column, row) {
    const [a, b, c, d, e, f] = this.matrix;
    return [a * column + c * row + e, b * column + d * row + f];
  }

  toImage(x, y) {
    const [a, b, c, d, e, f] = this.matrix;
    const scale = a * d - b * c;
    return [(d * (x - e) - c * (y - f)) / scale, (a * (y - f) - b * (x - e)) / scale];
  }

  /** Make a canvas context draw in image columns and rows; `ratio` device pixels are a screen pixel. */
  apply(context, ratio) {
    context.setTransform(...this.matrix.map((value) => value * ratio));
  }

  /** Screen pixels a column of the image. */
  get zoom() {
    const [a, b] = this.matrix;
    return Math.hypot(a, b);
  }
}
