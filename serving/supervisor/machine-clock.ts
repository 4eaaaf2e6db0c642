/** Milliseconds that every process of this machine counts alike, and that no setting of the clock changes. */
export const machineMs = (): number => Number(process.hrtime.bigint() / 1_000_000n);
