// Stored vectors to values and back, as in craft/spaces.py. A value is a place in its variable's list, NONE without one.

export const NONE = -1;

// The place of the value nearest to the vector that begins at `at`.
export function decodedPlace(decoding, vectors, at, width) {
  const { layout, values, nullable, numbers, codes } = decoding;
  if (!values.length) return NONE;
  if (codes) return nearestCode(codes, vectors, at);
  if (layout === "one-hot") {
    const place = largestPlace(vectors, at, width);
    return nullable && !(vectors[at + place] > 0.5) ? NONE : place;
  }
  return nullable && !(vectors[at + 1] > 0.5) ? NONE : nearestNumber(numbers, vectors[at]);
}

// The answer in the unembedded output: a one-hot answer that can be None has a logit for that, the last.
export function answerPlace(decoding, logits, at, width) {
  if (decoding.layout !== "one-hot" || !decoding.nullable) return decodedPlace(decoding, logits, at, width);
  const place = largestPlace(logits, at, width);
  return place === decoding.values.length ? NONE : place;
}

// The ideal vector of a value.
export function codeOf({ layout, numbers, codes }, place, width) {
  if (codes) return codes[place];
  const code = new Array(width).fill(0);
  if (place === NONE) return code;
  if (layout === "one-hot") {
    code[place] = 1;
    return code;
  }
  return code.fill(1).fill(numbers[place], 0, 1);
}

export function valueText(decoding, place) {
  return place === NONE ? "–" : decoding.values[place];
}

function largestPlace(vectors, at, width) {
  let best = 0;
  for (let index = 1; index < width; index++) if (vectors[at + index] > vectors[at + best]) best = index;
  return best;
}

function nearestNumber(ascending, number) {
  let [above, end] = [0, ascending.length - 1];
  while (above < end) {
    const middle = (above + end) >> 1;
    if (ascending[middle] >= number) end = middle;
    else above = middle + 1;
  }
  const below = Math.max(above - 1, 0);
  return number - ascending[below] < ascending[above] - number ? below : above;
}

function nearestCode(codes, vectors, at) {
  let best = 0;
  let least = Infinity;
  codes.forEach((code, place) => {
    const distance = code.reduce((sum, each, index) => sum + (vectors[at + index] - each) ** 2, 0);
    if (distance < least) [best, least] = [place, distance];
  });
  return best;
}
