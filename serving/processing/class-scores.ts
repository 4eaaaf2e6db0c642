/** One class of one row, by its place among the labels. */
export interface ClassScore {
  readonly index: number;
  readonly score: number;
}

/** The score of each class of a row. One score with two labels is the probability of the second. */
export function classScores(row: readonly number[], labels: number): ClassScore[] {
  const [only = 0] = row;
  const scores = row.length === 1 && labels === 2 ? [1 - only, only] : row;
  return scores.map((score, index) => ({ index, score }));
}

/** The best classes of a row, best first; of equal ones the lower class first, and last those whose score is no number. */
export function best<Scored extends ClassScore>(scored: readonly Scored[], count: number): Scored[] {
  const rank = ({ score }: Scored) => (Number.isNaN(score) ? Number.NEGATIVE_INFINITY : score);
  return [...scored].sort((a, b) => rank(b) - rank(a) || a.index - b.index).slice(0, count);
}
