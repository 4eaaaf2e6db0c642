/** A string, which stays as it is, or what Python writes for numbers that JSON does not have. */
const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|-?Infinity|NaN/g;
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
    const written = text.replace(tokens, (token) => {
      if (token.startsWith('"')) return token;
      return token === 'NaN' ? JSON.stringify(notNumber) : token.replace('Infinity', '1e999');
    });
    return JSON.parse(written, (_, value: unknown) => (value === notNumber ? Number.NaN : value));
  }
}
