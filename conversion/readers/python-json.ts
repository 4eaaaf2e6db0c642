/** Where a string begins or ends, a sign after a backslash, which is no such place, and what Python writes for numbers that JSON does not have. */
const tokens = /"|\\.|-?Infinity|NaN/gs;
/** No text of a config: what stands for NaN until it is one. */
const notNumber = '\u0000NaN';

/**
 * JSON as Python's `json` writes it: numbers may be infinite or none.
 * @throws SyntaxError
 */
export function parsePythonJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!/Infinity|NaN/.test(text)) throw error;
    // Not one expression for a whole string: of one without an end it would begin anew at every sign inside.
    let isInString = false;
    const written = text.replace(tokens, (token) => {
      if (token === '"') isInString = !isInString;
      if (isInString || token === '"' || token.startsWith('\\')) return token;
      return token === 'NaN' ? JSON.stringify(notNumber) : token.replace('Infinity', '1e999');
    });
    try {
      return JSON.parse(written, (_, value: unknown) => (value === notNumber ? Number.NaN : value));
    } catch (deep) {
      // Looking at every value takes the stack that reading alone does not.
      throw deep instanceof RangeError ? new SyntaxError('it is nested deeper than any model is') : deep;
    }
  }
}
