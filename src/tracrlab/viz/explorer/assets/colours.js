// Numbers as colours: from the background to blue for positive ones, to orange for negative ones. Both hues, of Okabe
// and Ito, are told apart by people with any kind of colour vision, and lightness carries the size.

const SHADES = 64; // of each hue

// The colours of shares from -1 to 1, as bytes; asking for them again takes the browser's time, so they are kept.
export function paletteOf(root) {
  const styles = getComputedStyle(root);
  const colour = (name) =>
    styles
      .getPropertyValue(name)
      .match(/[\d.]+/g)
      .slice(0, 3)
      .map(Number); // rgb(r, g, b)
  const [zero, positive, negative] = ["--tl-zero", "--tl-positive", "--tl-negative"].map(colour);
  const palette = new Uint8ClampedArray(4 * (2 * SHADES + 1)).fill(255);
  for (let shade = -SHADES; shade <= SHADES; shade++) {
    const goal = shade < 0 ? negative : positive;
    const weight = Math.sqrt(Math.abs(shade) / SHADES);
    palette.set(
      zero.map((from, index) => from + (goal[index] - from) * weight),
      4 * (shade + SHADES),
    );
  }
  return palette;
}

// Paint numbers, rows of a matrix, as one pixel each; the style sheet scales the canvas up.
export function paint(canvas, rows, columns, numberAt, palette, largest = 1) {
  const [width, height] = [Math.max(columns, 1), Math.max(rows, 1)];
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const image = new ImageData(width, height);
  for (let row = 0, at = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, at += 4) {
      const share = Math.max(-1, Math.min(1, numberAt(row, column) / largest));
      const from = 4 * (Math.round(share * SHADES) + SHADES);
      for (let byte = 0; byte < 4; byte++) image.data[at + byte] = palette[from + byte];
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

export function numberText(number) {
  const text = Math.abs(number) < 1e-3 && number !== 0 ? number.toExponential(1) : number.toFixed(3);
  return text.includes("e") ? text : text.replace(/\.?0+$/, "") || "0";
}
