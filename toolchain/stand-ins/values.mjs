// Values as Pulumi's wire format has them (sdk/proto: special values are objects or strings with a signature).
const signature = '4dabf18193072939515e22adb298388d';
const secret = '1b47061264138c4ac30d75fd1eb44270';
/** Strings that stand for a value that is not known yet, one for each type. */
const unknowns = new Set([
  '04da6b54-80e4-46f7-96ec-b56ff0331ba9',
  '1c4a061d-8072-4f0a-a4cb-0ff528b18fe7',
  '3eeb2bf0-c639-47a8-9e75-3b44932eb421',
  '6a19a0b0-7e62-4c92-b797-7f8e31da9cc2',
  '030794c1-ac77-496b-92df-f27374a8bd58',
  'e48ece36-62e2-4504-bad9-02848725956a',
  'dd056dcd-154b-4c76-9bd3-c8f88648b5ff',
]);
export const isUnknown = (value) => typeof value === 'string' && unknowns.has(value);

/** Secrets lose their wrapping: what gets them must not write them down. */
function unwrap(value) {
  if (Array.isArray(value)) return value.map(unwrap);
  if (value === null || typeof value !== 'object') return value;
  if (value[signature] === secret) return unwrap(value.value);
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, unwrap(one)]));
}

/** A message's struct as plain values; what is unknown stays as it is (`isUnknown`). */
export const fromStruct = (struct) => unwrap(struct?.toJavaScript() ?? {});

/** What was asked for, as it came (secrets stay secret), with what was found out. */
export const toStruct = (Struct, asked, found) =>
  Struct.fromJavaScript({ ...asked.toJavaScript(), ...JSON.parse(JSON.stringify(found)) });
