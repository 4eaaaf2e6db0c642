/** Conversion = f(parameters, structure, method): a trained model becomes a deployable one, behind the parity gate. */
export { type Candidate, type Choice, chooseMethod } from './auto.ts';
export { type Cost, costOf } from './budget.ts';
export { convertCached } from './cache.ts';
export { convert } from './convert.ts';
export type { Conversion, ConvertOptions } from './convert-once.ts';
export { ConversionError, type ConversionErrorCode, errorTable } from './errors.ts';
export { checkGolden, type GoldenCheck } from './golden.ts';
export { type Inspection, inspect } from './inspect.ts';
export { type KeptVersion, KeptVersions } from './kept-versions.ts';
export { assertFolderCanBe, makeFolder } from './make-folder.ts';
export { identify } from './readers/index.ts';
export { targets } from './targets/index.ts';
export { accuracyOf, classify } from './verify/accuracy.ts';
export { argmax, classOf, type LabelledSet, readLabelledSet } from './verify/labelled-set.ts';
export { profileOf } from './verify/profile.ts';
export { bytesOf } from './version-files.ts';
export { readVersion, readVersionManifest, writeVersion } from './version-folder.ts';
