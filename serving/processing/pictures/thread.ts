import { parentPort } from 'node:worker_threads';
import { ProcessingFault } from '../fault.ts';
import { type PictureTarget, pictureRow } from './picture-input.ts';

export interface PictureJob {
  readonly picture: Uint8Array;
  readonly target: PictureTarget;
}

export type PictureResult =
  | { readonly row: Awaited<ReturnType<typeof pictureRow>> }
  | { readonly fault: string };

/** One picture after the other, off the thread that answers requests. */
parentPort?.on('message', ({ picture, target }: PictureJob) => {
  pictureRow(picture, target).then(
    (row) => parentPort?.postMessage({ row } satisfies PictureResult, [row.buffer as ArrayBuffer]),
    (error: Error) => {
      const fault = error instanceof ProcessingFault ? error.message : 'it cannot be decoded';
      parentPort?.postMessage({ fault } satisfies PictureResult);
    },
  );
});
