/** What a scan or a write ends with; the texts are in ../faults.ts. Written without types, so that both compilers take this file. */

export const OK = 0;
/** Not JSON here. */
export const SYNTAX = 1;
/** Another JSON type than the element type wants. */
export const WRONG_TYPE = 2;
/** An array whose length differs from its sisters'. */
export const RAGGED = 3;
/** An array where its sisters are elements. */
export const TOO_DEEP = 4;
/** An element where its sisters are arrays. */
export const TOO_SHALLOW = 5;
/** More than MAX_RANK axes. */
export const TOO_MANY_AXES = 6;
/** A fraction where the tensor holds integers. */
export const NOT_AN_INTEGER = 7;
/** An integer that the element type cannot hold. */
export const OUT_OF_RANGE = 8;
/** NaN or Infinity, and the policy refuses it. */
export const NON_FINITE = 9;

/** Policy for NaN, Infinity and -Infinity: refuse them, take and give TensorFlow Serving's tokens, or take and give null. */
export const POLICY_REJECT = 0;
export const POLICY_TOKEN = 1;
export const POLICY_NULL = 2;
