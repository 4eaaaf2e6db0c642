/** A decoded picture: 8 bits a channel, red, green, blue from every `stride` bytes on, row by row from the top left. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** 3, or 4 where there is a fourth byte that is not read. */
  readonly stride: 3 | 4;
  readonly data: Uint8Array | Uint8ClampedArray;
}
