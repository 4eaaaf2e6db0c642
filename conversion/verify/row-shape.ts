/**
 * The shape of one row of `size` numbers for an input of `[batch, ...declared]`.
 * Where sizes are open it is what the file says, or, where that is flat and one size alone is open, what the numbers leave for it.
 * @param told the shape of a row in the file
 * @returns undefined where the row does not fit, or the file leaves several sizes open
 */
export function rowShape(
  declared: readonly number[],
  told: readonly number[],
  size: number,
): readonly number[] | undefined {
  const sizeOf = (shape: readonly number[]) => shape.reduce((product, dim) => product * dim, 1);
  const open = declared.filter((dim) => dim < 0).length;
  if (open === 0) return sizeOf(declared) === size ? declared : undefined;
  if (told.length === declared.length)
    return declared.every((dim, axis) => dim < 0 || dim === told[axis]) ? told : undefined;
  if (open > 1) return undefined;
  const left = size / sizeOf(declared.filter((dim) => dim >= 0));
  return Number.isInteger(left) ? declared.map((dim) => (dim < 0 ? left : dim)) : undefined;
}

/** The shape of a row in JSON: of a list of lists that are as long as each other. @throws where they are not */
export function shapeOfRow(row: unknown): number[] {
  if (!Array.isArray(row)) return [];
  const [first = [], ...others] = row.map(shapeOfRow);
  if (others.some((other) => String(other) !== String(first)))
    throw new Error('a row holds lists of different lengths');
  return [row.length, ...(row.length === 0 ? [] : first)];
}
