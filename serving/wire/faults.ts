import * as status from './assembly/status.ts';

/** What can be wrong with a body, and how it is said: `{0}` is the type that the model takes, the rest is the place. */
export const faultTexts = {
  WIRE_SYNTAX: 'JSON Parse error: the text is not JSON from here on',
  WIRE_EMPTY: 'JSON Parse error: The document is empty',
  WIRE_NOT_AN_OBJECT: 'JSON Parse error: the document must be an object',
  WIRE_WRONG_TYPE: 'JSON Value is not of expected type: {0}',
  WIRE_RAGGED: 'arrays that lie beside each other must have the same length',
  WIRE_TOO_DEEP: 'an array stands where the elements beside it are values',
  WIRE_TOO_SHALLOW: 'a value stands where the elements beside it are arrays',
  WIRE_TOO_MANY_AXES: 'arrays may be nested 32 deep',
  WIRE_NOT_AN_INTEGER: 'JSON Value is not of expected type: {0}; it has a fraction',
  WIRE_OUT_OF_RANGE: 'the number does not fit {0}',
  WIRE_NON_FINITE: 'NaN and Infinity are refused by this server',
  WIRE_BASE64: 'b64 must be the base64 text of the bytes',
  WIRE_RAW_SIZE: 'the binary data do not fit the shape',
  WIRE_TOO_LARGE: 'the body does not fit into memory',
} as const;
export type WireFaultCode = keyof typeof faultTexts;

/** The assembly's statuses as codes. */
export const faultOfStatus: Readonly<Record<number, WireFaultCode>> = {
  [status.SYNTAX]: 'WIRE_SYNTAX',
  [status.WRONG_TYPE]: 'WIRE_WRONG_TYPE',
  [status.RAGGED]: 'WIRE_RAGGED',
  [status.TOO_DEEP]: 'WIRE_TOO_DEEP',
  [status.TOO_SHALLOW]: 'WIRE_TOO_SHALLOW',
  [status.TOO_MANY_AXES]: 'WIRE_TOO_MANY_AXES',
  [status.NOT_AN_INTEGER]: 'WIRE_NOT_AN_INTEGER',
  [status.OUT_OF_RANGE]: 'WIRE_OUT_OF_RANGE',
  [status.NON_FINITE]: 'WIRE_NON_FINITE',
};

/** A body that cannot be read, or a tensor that cannot be written. Always the sender's fault; the message says where it is. */
export class WireFault extends Error {
  override readonly name = 'WireFault';
  readonly code: WireFaultCode;
  /** The value at fault, for example `instances[3][17]`; empty where the document itself is. */
  readonly path: string;
  /** Byte of the body; -1 where there is none. */
  readonly offset: number;

  constructor(
    code: WireFaultCode,
    place: { path?: string; offset?: number; expected?: string; detail?: string } = {},
  ) {
    const { path = '', offset = -1, expected = '', detail = '' } = place;
    const where = [path && `at ${path}`, offset >= 0 && `offset ${offset}`].filter(Boolean).join(', ');
    super([faultTexts[code].replace('{0}', expected), detail, where].filter(Boolean).join('; '));
    this.code = code;
    this.path = path;
    this.offset = offset;
  }
}
