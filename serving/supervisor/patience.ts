/** This process stood still itself where a timer is so late: what it did not see meanwhile says nothing of another. */
const stoodStillMs = 100;

/** Calls `late` when `patienceMs` are over, from anew where this process stood still. Returns what stops it. */
export function lateAfter(patienceMs: number, late: () => void): () => void {
  let timer: NodeJS.Timeout;
  const wait = () => {
    const dueMs = performance.now() + patienceMs;
    timer = setTimeout(() => {
      if (performance.now() > dueMs + stoodStillMs) wait();
      else late();
    }, patienceMs);
  };
  wait();
  return () => clearTimeout(timer);
}
