/** Numbers of a dataset, row-major. */
export interface Numbers {
  readonly shape: readonly number[];
  /** Of a large variable: read each time that they are asked for, when the file is closed too. */
  readonly data: Float32Array;
  /** Stored as one-byte integers: meaningless without a scale. */
  readonly isByte: boolean;
}

/** A path, or a file in memory. */
export type Hdf5Source = string | Uint8Array;

export interface Group {
  /** Names of what is in it. */
  keys(): readonly string[];
  /** The text of an attribute, or its list of texts. */
  attribute(name: string): string | readonly string[] | undefined;
}

/** An HDF5 file that is open for reading. */
export interface Hdf5File {
  readonly root: Group;
  /** The group at a path below another. */
  group(parent: Group, path: string): Group | undefined;
  /**
   * The numbers of a dataset of any numeric element type, as float32.
   * @returns undefined where there is no such dataset
   */
  numbers(parent: Group, path: string): Numbers | undefined;
}

/** A text attribute. */
export function textAttribute(group: Group, name: string): string | undefined {
  const found = group.attribute(name);
  return typeof found === 'string' ? found : undefined;
}

/** A list of names; Keras splits lists over 64 KB into `<name>0`, `<name>1`, ... */
export function namesAttribute(group: Group, name: string): string[] {
  const whole = group.attribute(name);
  if (whole !== undefined) return [whole].flat();
  const parts: string[] = [];
  for (let n = 0; ; n++) {
    const part = group.attribute(`${name}${n}`);
    if (part === undefined) return parts;
    parts.push(...[part].flat());
  }
}
