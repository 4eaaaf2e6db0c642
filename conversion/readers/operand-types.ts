/** The signs that tell where in the calls of a layer one is, and numbers. */
const signs = /"|\\.|[[\]{}]|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/gs;
/** The brackets around an operand of Keras 3: calls, one of them, and its `args` or `kwargs`. */
const operands = new Set(['[{[', '[{{']);

/**
 * The JSON of a model with `1000.0` among the operands of a call written as Keras 3 writes a tensor of float32: it makes floats of whole
 * numbers, and JavaScript reads it as the 1000 that does not. Keras 2 refuses to mix the two.
 */
export function withTypedOperands(text: string): string {
  const parts: string[] = [];
  let written = 0;
  let end = 0;
  for (const calls of text.matchAll(/"inbound_nodes":\s*(?=\[)/g)) {
    if (calls.index < end) continue;
    let isInString = false;
    let depth = 0;
    let around = '';
    signs.lastIndex = calls.index + calls[0].length;
    do {
      const sign = signs.exec(text);
      // Without an end it is no JSON.
      if (sign === null) return text;
      const [token] = sign;
      if (token === '"') isInString = !isInString;
      else if (isInString || token.startsWith('\\')) continue;
      else if (token === '[' || token === '{') {
        if (++depth <= 4) around = around.slice(0, depth - 1) + token;
      } else if (token === ']' || token === '}') {
        if (--depth < 4) around = around.slice(0, depth);
      } else if (operands.has(around) && /[.e]/i.test(token) && Number.isInteger(Number(token))) {
        const tensor = { class_name: '__tensor__', config: { value: Number(token), dtype: 'float32' } };
        parts.push(text.slice(written, sign.index), JSON.stringify(tensor));
        written = signs.lastIndex;
      }
    } while (depth > 0);
    end = signs.lastIndex;
  }
  return parts.join('') + text.slice(written);
}
