// Matrices as packing.py writes them: the entries that are not zero, and where they stand.

export async function unpackedMatrices({ matrices, data }, dtype) {
  const buffer = await inflated(data);
  const Entries = dtype === "float64" ? Float64Array : Float32Array;
  const total = matrices.reduce((sum, [, , , count]) => sum + count, 0);
  const entries = new Entries(buffer, 0, total);
  const distances = new Uint32Array(buffer, total * Entries.BYTES_PER_ELEMENT, total);
  const found = new Map();
  let start = 0;
  for (const [name, rows, columns, count] of matrices) {
    const row = new Uint32Array(count);
    const column = new Uint32Array(count);
    for (let index = 0, place = 0; index < count; index++) {
      place += distances[start + index];
      row[index] = Math.floor(place / columns);
      column[index] = place % columns;
    }
    found.set(name, { rows, columns, row, column, entries: entries.subarray(start, start + count) });
    start += count;
  }
  return found;
}

async function inflated(base64) {
  const bytes = Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

// The rows of `vectors`, n of them, each times the matrix; a matrix that is missing is all zero.
export function product(vectors, n, matrix, columns) {
  const result = new Float64Array(n * columns);
  if (!matrix) return result;
  const { rows, row, column, entries } = matrix;
  for (let index = 0; index < entries.length; index++) {
    for (let p = 0, from = row[index], to = column[index]; p < n; p++, from += rows, to += columns) {
      result[to] += vectors[from] * entries[index];
    }
  }
  return result;
}

// The matrix with its zeros.
export function dense(matrix, rows, columns) {
  const result = new Float64Array(rows * columns);
  if (!matrix) return result;
  matrix.entries.forEach((entry, index) => {
    result[matrix.row[index] * columns + matrix.column[index]] = entry;
  });
  return result;
}
