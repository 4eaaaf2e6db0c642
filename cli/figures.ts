/** 0.962 as `96.2 %`; independent of the machine's locale. */
export const percent = (share: number): string => `${Number((100 * share).toFixed(2))} %`;
