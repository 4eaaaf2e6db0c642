import type { Rows } from './record.ts';
import { Scorer, type ScorerStart } from './scorer.ts';

export type ToScorer =
  | ({ readonly type: 'start' } & ScorerStart)
  | { readonly type: 'rows'; readonly rows: Rows; readonly firstRow: number };

export type FromScorer =
  | { readonly type: 'ready' }
  | { readonly type: 'scored'; readonly text: string; readonly refused: number }
  | { readonly type: 'failed'; readonly message: string };

const send = (message: FromScorer) => process.send?.(message);
let scorer: Scorer | undefined;

/** One process with a session of its own. */
process.on('message', (message: ToScorer) => {
  const done =
    message.type === 'start'
      ? Scorer.open(message).then((opened) => {
          scorer = opened;
          send({ type: 'ready' });
        })
      : (scorer as Scorer)
          .score(message.rows, message.firstRow)
          .then((scored) => send({ type: 'scored', ...scored }));
  done.catch((error: Error) => send({ type: 'failed', message: error.message }));
});
// Whoever started it decides when it ends; without that there is nothing to do.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
process.on('disconnect', () => process.exit(0));
