import { readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { compileAssembly } from '../../../serving/wire/build.ts';
import { WireFault } from '../../../serving/wire/faults.ts';
import { halfBits, halfValue } from '../../../serving/wire/float16.ts';
import type { NonFinitePolicy } from '../../../serving/wire/policy.ts';
import { JsonReader } from '../../../serving/wire/reader.ts';
import { seeded } from './numbers.ts';
import { compareDocuments } from './scan-documents.ts';
import { compareNumbers } from './scan-numbers.ts';

type Type = Parameters<JsonReader['tensor']>[0];

function scan(text: string, dtype: Type = 'float32', policy: NonFinitePolicy = 'token') {
  const reader = new JsonReader([Buffer.from(text)], policy);
  const tensor = reader.tensor(dtype, 'inputs');
  reader.end();
  return { shape: tensor.shape, data: Array.from(tensor.data as ArrayLike<unknown>) };
}

function faultOf(text: string, dtype: Type = 'float32', policy: NonFinitePolicy = 'token'): WireFault {
  try {
    scan(text, dtype, policy);
  } catch (error) {
    if (error instanceof WireFault) return error;
    throw error;
  }
  throw new Error(`${text} was accepted`);
}

describe('the number scanner', () => {
  it('gives bit for bit what JSON.parse and Math.fround give, on 100,000 numbers of every kind', () => {
    compareNumbers(100_000, 20_261_123);
  });

  it('accepts exactly the tensors that JSON.parse accepts, on 30,000 documents of which half are broken', () => {
    const { accepted, refused } = compareDocuments(30_000, 4);
    expect(accepted).toBeGreaterThan(5_000);
    expect(refused).toBeGreaterThan(5_000);
  });

  it('is compiled from the sources that lie beside it', async () => {
    const committed = await readFile(
      new URL('../../../serving/wire/generated/scanner-wasm.ts', import.meta.url),
      'utf8',
    );
    expect(await compileAssembly()).toBe(committed);
  });

  it('infers the shape from the nesting', () => {
    expect(scan('3')).toEqual({ shape: [], data: [3] });
    expect(scan('[]')).toEqual({ shape: [0], data: [] });
    expect(scan('[[],[]]')).toEqual({ shape: [2, 0], data: [] });
    expect(scan(' [ [1, 2 ,3] , [4,5,6]\n] ')).toEqual({ shape: [2, 3], data: [1, 2, 3, 4, 5, 6] });
    expect(scan('[[[1],[2]],[[3],[4]],[[5],[6]]]').shape).toEqual([3, 2, 1]);
    expect(scan(`${'['.repeat(32)}7${']'.repeat(32)}`).shape).toEqual(new Array(32).fill(1));
  });

  it.each([
    ['[[1,2],[3]]', 'WIRE_RAGGED', 'inputs[1]'],
    ['[[1,2],[3,4],[]]', 'WIRE_RAGGED', 'inputs[2]'],
    ['[1,[2]]', 'WIRE_TOO_DEEP', 'inputs[1]'],
    ['[[[1]],[2]]', 'WIRE_TOO_SHALLOW', 'inputs[1]'],
    ['[[1,2],3]', 'WIRE_TOO_SHALLOW', 'inputs'],
    ['[[0.5,1],[2,"3"]]', 'WIRE_WRONG_TYPE', 'inputs[1][1]'],
    ['[1,null]', 'WIRE_WRONG_TYPE', 'inputs[1]'],
    ['[1,true]', 'WIRE_WRONG_TYPE', 'inputs[1]'],
    ['[{"a":1}]', 'WIRE_WRONG_TYPE', 'inputs[0]'],
    [`${'['.repeat(33)}7${']'.repeat(33)}`, 'WIRE_TOO_MANY_AXES', 'inputs'],
    ['[1,]', 'WIRE_SYNTAX', 'inputs[1]'],
    ['[1 2]', 'WIRE_SYNTAX', 'inputs[1]'],
    ['[01]', 'WIRE_SYNTAX', 'inputs[0]'],
    ['', 'WIRE_EMPTY', ''],
  ])('says of %s what is wrong and where', (text, code, path) => {
    const fault = faultOf(text);
    expect(fault.code).toBe(code);
    expect(fault.path.startsWith(path)).toBe(true);
  });

  it('names the byte at which a document stops being JSON', () => {
    expect(faultOf('[1, 2, x]').offset).toBe(7);
    expect(faultOf('[[1,2],[3,4]').offset).toBe(12);
    expect(faultOf('[1] 2').offset).toBe(4);
  });

  it('takes integers in any notation, exact to their last bit, and refuses what does not fit', () => {
    expect(scan('[0,255,1e2,2.0]', 'uint8').data).toEqual([0, 255, 100, 2]);
    expect(scan('[-128,127,-0]', 'int8').data).toEqual([-128, 127, 0]);
    expect(scan('[9223372036854775807,-9223372036854775808,9007199254740993]', 'int64').data).toEqual([
      9223372036854775807n,
      -9223372036854775808n,
      9007199254740993n,
    ]);
    expect(scan('18446744073709551615', 'uint64').data).toEqual([18446744073709551615n]);
    for (const [text, dtype] of [
      ['[256]', 'uint8'],
      ['[-1]', 'uint8'],
      ['[128]', 'int8'],
      ['[-129]', 'int8'],
      ['[2147483648]', 'int32'],
      ['[18446744073709551616]', 'uint64'],
      ['[9223372036854775808]', 'int64'],
      ['[1e300]', 'int64'],
    ] as const) {
      expect(faultOf(text, dtype).code).toBe('WIRE_OUT_OF_RANGE');
    }
    expect(faultOf('[1.5]', 'int32').code).toBe('WIRE_NOT_AN_INTEGER');
    expect(scan('[true,false]', 'bool').data).toEqual([1, 0]);
    expect(faultOf('[1]', 'bool').code).toBe('WIRE_WRONG_TYPE');
  });

  it('treats NaN and Infinity as the policy says, and nothing that looks like them', () => {
    expect(scan('[NaN,Infinity,-Infinity]').data).toEqual([NaN, Infinity, -Infinity]);
    expect(scan('[null,1]', 'float32', 'null').data).toEqual([NaN, 1]);
    expect(faultOf('[NaN]', 'float32', 'null').code).toBe('WIRE_NON_FINITE');
    expect(faultOf('[1,-Infinity]', 'float32', 'reject').code).toBe('WIRE_NON_FINITE');
    for (const text of ['[-NaN]', '[nan]', '[inf]', '[+Infinity]', '[NaNa]', '[Infinit]']) {
      expect(faultOf(text).code).toBe('WIRE_SYNTAX');
    }
  });

  it('rounds float16 once, ties to even, as all 65,536 values and the midpoints between them show', () => {
    const wrong: number[] = [];
    for (let bits = 0; bits < 0x7c00; bits++) {
      const value = halfValue(bits);
      const next = bits + 1 === 0x7c00 ? 65536 : halfValue(bits + 1);
      const middle = (value + next) / 2;
      const isRight =
        halfBits(value) === bits &&
        halfBits(-value) === (bits | 0x8000) &&
        halfBits(middle) === (bits % 2 === 0 ? bits : bits + 1) &&
        halfBits(middle + middle * 2 ** -40) === bits + 1 &&
        halfBits(middle - middle * 2 ** -40) === bits;
      if (!isRight) wrong.push(bits);
    }
    expect(wrong).toEqual([]);
    expect(scan('[1.5,1e9,-2]', 'float16').data).toEqual([0x3e00, 0x7c00, 0xc000]);
  });

  it('takes base64 of any length, with padding or without, and nothing else for it', () => {
    const bytesOf = (text: string) => Buffer.from(scan(`{"b64":"${text}"}`, 'string').data[0] as Uint8Array);
    const large = Buffer.alloc(20_000_000, 7);
    expect(bytesOf(large.toString('base64')).equals(large)).toBe(true);
    for (let length = 0; length < 8; length++) {
      const bytes = large.subarray(0, length);
      const text = bytes.toString('base64');
      expect([bytesOf(text), bytesOf(text.replaceAll('=', ''))]).toEqual([bytes, bytes]);
    }
    for (const wrong of [
      'A',
      'AAAAA',
      '=',
      'AA=',
      'A===',
      'AAA==',
      'AAAA=',
      'AA==AA==',
      'AA-_',
      'AA AA',
      'é',
    ])
      expect([wrong, faultOf(`{"b64":"${wrong}"}`, 'string').code]).toEqual([wrong, 'WIRE_BASE64']);
  });

  it('reads text and base64 into string tensors', () => {
    const { shape, data } = scan('[["a",{"b64":"AAH/"}],["\\u00e9\\n",""]]', 'string');
    expect(shape).toEqual([2, 2]);
    expect(data).toEqual(['a', Buffer.from([0, 1, 255]), 'é\n', '']);
    expect(faultOf('[{"b64":"*"}]', 'string').code).toBe('WIRE_BASE64');
    expect(faultOf('[{"b65":""}]', 'string').code).toBe('WIRE_WRONG_TYPE');
    expect(faultOf('["a",["b"]]', 'string').code).toBe('WIRE_TOO_DEEP');
  });

  it('reads a body in whatever pieces it arrived, and a small one after a large one', () => {
    const random = seeded(9);
    const values = Array.from({ length: 800_000 }, () => Math.floor(random() * 10));
    const body = Buffer.from(JSON.stringify(values));
    const parts = [body.subarray(0, 1), body.subarray(1, 777), body.subarray(777)];
    const { data } = new JsonReader(parts, 'token').tensor('float64', '');
    expect(data.length).toBe(values.length);
    expect(Array.from(data as Float64Array).every((value, index) => value === values[index])).toBe(true);
    expect(scan('[1]')).toEqual({ shape: [1], data: [1] });
  });
});

describe('a server that refuses Infinity', () => {
  it.each([
    ['[1,1e39]', 'float32', 'inputs[1]'],
    ['[[1,2],[-1e400,3]]', 'float64', 'inputs[1][0]'],
    ['[[[0],[65520]]]', 'float16', 'inputs[0][1][0]'],
    ['1e39', 'float32', 'inputs'],
  ] as const)('refuses a number that would become one: %s as %s', (text, dtype, path) => {
    const fault = faultOf(text, dtype, 'reject');
    expect(fault).toMatchObject({ code: 'WIRE_OUT_OF_RANGE', path });
    expect(fault.message).toContain(dtype);
    expect(() => scan(text, dtype, 'token')).not.toThrow();
  });

  it('takes the largest numbers of a type', () => {
    expect(scan('[3.4028234663852886e38]', 'float32', 'reject').data).toEqual([3.4028234663852886e38]);
    expect(scan('[-65504]', 'float16', 'reject').data).toEqual([0xfbff]);
    expect(scan('[]', 'float32', 'reject').data).toEqual([]);
  });
});

describe('the document reader', () => {
  it('reads objects and arrays value by value, and refuses what JSON.parse refuses', () => {
    const seen: unknown[] = [];
    const read = (text: string, policy: NonFinitePolicy = 'reject') => {
      seen.length = 0;
      const reader = new JsonReader([Buffer.from(text)], policy);
      reader.object((key) => seen.push(key, reader.value()));
      reader.end();
    };
    const text = '{"a": {"b": [1, "}]", null]}, "\\u0041": "x", "__proto__": -1e3 , "a":true}';
    read(text);
    expect(seen).toEqual(['a', { b: [1, '}]', null] }, 'A', 'x', '__proto__', -1000, 'a', true]);
    for (const broken of [
      '{',
      '{"a"}',
      '{"a":}',
      '{"a":1,}',
      '{a:1}',
      '{"a":1}}',
      '{"a":1} x',
      '{"a":"\n"}',
      '{"a":[1}',
      '{"a":NaN}',
      '{"a":"\\x"}',
      '{,}',
      '{"a":1 "b":2}',
      '["a"]',
      '{"a',
      '{"a\\":1}',
    ]) {
      expect(() => read(broken)).toThrow(WireFault);
      if (!broken.includes('NaN')) expect(() => read(broken, 'token')).toThrow(WireFault);
    }
    read('{"a": NaN, "b": "NaN", "c":-Infinity }', 'token');
    expect(seen).toEqual(['a', Number.NaN, 'b', 'NaN', 'c', -Infinity]);
  });

  it('reads lists of values so many deep, with the bare words that the policy takes', () => {
    const read = (text: string, policy: NonFinitePolicy) =>
      new JsonReader([Buffer.from(text)], policy).values(2);
    expect(read('[[1, NaN], "NaN", [null, ["NaN"]]]', 'token')).toEqual([
      1,
      Number.NaN,
      'NaN',
      null,
      ['NaN'],
    ]);
    for (const [broken, policy] of [
      ['[NaN]', 'reject'],
      ['[[[NaN]]]', 'token'],
      ['[NaN', 'token'],
      ['[NaN,]', 'token'],
    ] as const) {
      expect(() => read(broken, policy)).toThrow(WireFault);
    }
  });

  it('reads millions of lists with bare words, no exception for each: a megabyte of them took seconds', () => {
    const count = 2_000_000;
    const reader = new JsonReader([Buffer.from(`[${'[NaN],'.repeat(count)}1]`)], 'token');
    expect(reader.values(2)).toHaveLength(count + 1);
  });
});
