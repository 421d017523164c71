// Typed text to token ids: words if all pieces are tokens, else characters, as cli/tokens.py reads an input.

export function typedTokens(text, { vocab, config }) {
  const ids = new Map(vocab.map((token, id) => [token, id]));
  const words = text.split(/[\s,]+/).filter(Boolean);
  const signs = [...text];
  const spaced = vocab.some((token) => /^[\s,]+$/.test(token));
  const pieces = (spaced ? [signs, words] : [words, signs]).find((each) => each.every((piece) => ids.has(piece)));
  if (!pieces) {
    const longest = Math.max(...vocab.map((token) => [...token].length));
    const shown = /[\s,]/.test(text.trim()) || longest > 1 ? words : signs;
    const stranger = shown.find((piece) => !ids.has(piece));
    return { error: `“${stranger}” is not in the vocabulary: ${abridged(vocab)}` };
  }
  if (pieces.length > config.maxSeqLen) {
    return { error: `${pieces.length} tokens, but the model takes at most ${config.maxSeqLen}` };
  }
  return { ids: pieces.map((piece) => ids.get(piece)) };
}

// How the ids are typed.
export function typedText(ids, { vocab }) {
  const single = vocab.every((token) => [...token].length === 1);
  return ids.map((id) => vocab[id]).join(single ? "" : " ");
}

function abridged(vocab, limit = 12) {
  return vocab.slice(0, limit).join(" ") + (vocab.length > limit ? " …" : "");
}
