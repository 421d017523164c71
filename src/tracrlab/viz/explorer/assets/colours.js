// Numbers as colours: from the background to blue for positive ones, to orange for negative ones. Both hues, of Okabe
// and Ito, are told apart by people with any kind of colour vision, and lightness carries the size.

export function paletteOf(root) {
  const styles = getComputedStyle(root);
  const colour = (name) => styles.getPropertyValue(name).match(/[\d.]+/g).slice(0, 3).map(Number); // rgb(r, g, b)
  const [zero, positive, negative] = ["--tl-zero", "--tl-positive", "--tl-negative"].map(colour);
  return (share) => {
    const goal = share < 0 ? negative : positive;
    const weight = Math.sqrt(Math.min(Math.abs(share), 1));
    return zero.map((from, index) => Math.round(from + (goal[index] - from) * weight));
  };
}

// Paint numbers, rows of a matrix, as one pixel each; the style sheet scales the canvas up.
export function paint(canvas, rows, columns, numberAt, palette, largest = 1) {
  canvas.width = Math.max(columns, 1);
  canvas.height = Math.max(rows, 1);
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      image.data.set([...palette(numberAt(row, column) / largest), 255], 4 * (row * columns + column));
    }
  }
  context.putImageData(image, 0, 0);
}

export function numberText(number) {
  const text = Math.abs(number) < 1e-3 && number !== 0 ? number.toExponential(1) : number.toFixed(3);
  return text.includes("e") ? text : text.replace(/\.?0+$/, "") || "0";
}
