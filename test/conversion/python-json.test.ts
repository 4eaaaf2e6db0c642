import { expect, it } from '@jest/globals';
import { parsePythonJson } from '../../conversion/readers/python-json.ts';

it('numbers that JSON does not have are read, and strings that spell them stay as they are', () => {
  const text = '{"NaN": [NaN, Infinity, -Infinity], "name": "\\"NaN\\\\", "last\\u0022": "Infinity, NaN"}';
  expect(parsePythonJson(text)).toEqual({
    NaN: [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
    name: '"NaN\\',
    'last"': 'Infinity, NaN',
  });
});

it('a long string without an end takes the time of its length', () => {
  expect(() => parsePythonJson(`[NaN, "${'\\"'.repeat(2 ** 19)}`)).toThrow(SyntaxError);
});

it('what is nested too deep to be looked at is said to be no such text', () => {
  expect(() => parsePythonJson(`${'['.repeat(20_000)}NaN${']'.repeat(20_000)}`)).toThrow(SyntaxError);
});
