/** 0.962 as `96.2 %`; independent of the machine's locale. */
export const percent = (share: number): string => `${Number((100 * share).toFixed(2))} %`;

/** So many of a thing, by its name for one of them: `1 process`, `2 processes`. */
export const counted = (count: number, one: string): string => {
  const many = one.endsWith('s') ? `${one}es` : `${one}s`;
  return `${count} ${count === 1 ? one : many}`;
};
