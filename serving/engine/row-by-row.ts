import type { Session } from './session.ts';
import { concatenateRows, sliceRows, type TensorValue } from './tensor.ts';

/** A session that runs its rows one after the other, for models in which they would change each other's answers. */
export function rowByRow(session: Session): Session {
  return {
    ...session,
    async run(take) {
      let inputs: readonly TensorValue[] | undefined;
      const row = (index: number) => inputs?.map((input) => sliceRows(input, index, index + 1));
      const first = await session.run(() => {
        inputs = take();
        return row(0);
      });
      if (first === undefined) return undefined;
      const answers = [first];
      const rows = inputs?.[0]?.shape[0] ?? 1;
      for (let index = 1; index < rows; index++)
        answers.push((await session.run(() => row(index))) as readonly TensorValue[]);
      return first.map((_, output) => concatenateRows(answers.map((each) => each[output] as TensorValue)));
    },
  };
}
