// Just enough of ELF (64 bit, little-endian: linux on x64 and arm64) to copy a program with what it needs and nothing else.
const programHeader = { load: 1, dynamic: 2, interpreter: 3 };
const dynamicTag = { needed: 1n, stringTable: 5n };

function programHeaders(bytes) {
  if (bytes.readUInt32BE(0) !== 0x7f454c46 || bytes[4] !== 2) throw new Error('not a 64-bit ELF file');
  const [start, size, count] = [
    Number(bytes.readBigUInt64LE(32)),
    bytes.readUInt16LE(54),
    bytes.readUInt16LE(56),
  ];
  return Array.from({ length: count }, (_, i) => {
    const at = start + i * size;
    const number = (offset) => Number(bytes.readBigUInt64LE(at + offset));
    return { type: bytes.readUInt32LE(at), offset: number(8), address: number(16), size: number(32) };
  });
}

const text = (bytes, at) => bytes.toString('latin1', at, bytes.indexOf(0, at));

/** What the loader will look for: the loader itself (absolute path, programs only) and shared libraries by name. */
export function needs(bytes) {
  const headers = programHeaders(bytes);
  const interpreter = headers.find(({ type }) => type === programHeader.interpreter);
  const dynamic = headers.find(({ type }) => type === programHeader.dynamic);
  const tags = [];
  for (let at = dynamic?.offset ?? 0; dynamic && at < dynamic.offset + dynamic.size; at += 16)
    tags.push([bytes.readBigInt64LE(at), Number(bytes.readBigUInt64LE(at + 8))]);
  const address = tags.find(([tag]) => tag === dynamicTag.stringTable)?.[1];
  const segment = headers.find(
    (one) => one.type === programHeader.load && one.address <= address && address < one.address + one.size,
  );
  const strings = segment ? address - segment.address + segment.offset : 0;
  return {
    interpreter: interpreter && text(bytes, interpreter.offset),
    libraries: tags
      .filter(([tag]) => tag === dynamicTag.needed)
      .map(([, name]) => text(bytes, strings + name)),
  };
}

/**
 * The file without what no loader reads: symbols for debuggers, a fifth of Node. All that runs lies within the segments, so the file
 * ends with the last one, and its table of sections goes.
 */
export function withoutDebugSymbols(bytes) {
  const end = Math.max(...programHeaders(bytes).map(({ offset, size }) => offset + size));
  const cut = Buffer.from(bytes.subarray(0, end));
  cut.writeBigUInt64LE(0n, 40);
  cut.writeUInt16LE(0, 60);
  cut.writeUInt16LE(0, 62);
  return cut;
}
