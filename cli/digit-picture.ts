const shades = [' ', '░', '▒', '▓', '█'];

/** A 28x28 digit (0 to 1, row-major) as 14 lines of text, two rows of pixels a line. */
export function digitPicture(pixels: ArrayLike<number>): string[] {
  return Array.from({ length: 14 }, (_, line) =>
    Array.from({ length: 28 }, (_, column) => {
      const top = pixels[2 * line * 28 + column] as number;
      const bottom = pixels[(2 * line + 1) * 28 + column] as number;
      return shades[Math.round(((top + bottom) / 2) * (shades.length - 1))];
    })
      .join('')
      .trimEnd(),
  );
}
