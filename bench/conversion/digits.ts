import { fileURLToPath } from 'node:url';
import { chooseMethod } from '../../conversion/index.ts';

const sample = (file: string) => fileURLToPath(new URL(`../../samples/digits/${file}`, import.meta.url));

/** One method on the digits, as `--method auto --budget accuracy:0.5` sees it. */
export interface DigitsRow {
  readonly method: string;
  readonly isChosen: boolean;
  readonly sizeBytes?: number;
  readonly oneRowMs?: number;
  readonly accuracy?: number;
  readonly why?: string;
}

/** The sample's model by every method, on its held-out set. */
export async function digitsByMethod(): Promise<DigitsRow[]> {
  const { chosen, candidates } = await chooseMethod(sample('model.h5'), {
    labels: sample('heldout.npz'),
    budget: { accuracyPoints: 0.5 },
  });
  return candidates.map(({ method, sizeBytes, oneRowMs, accuracy, why }) => ({
    method,
    isChosen: method === chosen.method,
    ...(sizeBytes === undefined ? {} : { sizeBytes }),
    ...(oneRowMs === undefined ? {} : { oneRowMs }),
    ...(accuracy === undefined ? {} : { accuracy }),
    ...(why === undefined ? {} : { why }),
  }));
}
