import { beforeEach, describe, expect, it } from '@jest/globals';
import type { PredictionRecord } from '../../../serving/contract/index.ts';
import type { TensorValue } from '../../../serving/engine/tensor.ts';
import { PredictionRecorder } from '../../../serving/feedback/recorder.ts';
import type { WrittenPrediction } from '../../../serving/feedback/written-prediction.ts';
import type { Inference } from '../../../serving/inference.ts';
import { Metrics } from '../../../serving/monitoring/registry.ts';

const servable = { model: 'm', version: 1, digest: 'd' } as Inference['servable'];
const floats = (count: number): TensorValue => ({
  name: 'y',
  dtype: 'float32',
  shape: [1, count],
  data: new Float32Array(count).fill(0.1),
});
const texts = (...data: string[]): TensorValue => ({
  name: 't',
  dtype: 'string',
  shape: [1, data.length],
  data,
});

describe('the recorder of predictions', () => {
  let handed: PredictionRecord[];
  let recorder: PredictionRecorder;
  const record = (predictionId: string, ...outputs: TensorValue[]) =>
    recorder.record({ predictionId, servable, outputs, rows: 1 }, []);

  beforeEach(() => {
    handed = [];
    const channel = {
      predictions: (records: readonly WrittenPrediction[]) =>
        void handed.push(...records.map(({ json }) => JSON.parse(json) as PredictionRecord)),
      feedback: async () => ({ feedbackId: '' }),
    };
    recorder = new PredictionRecorder({ recordInputs: false, recordPerSecond: 10 }, channel, new Metrics());
  });

  it('keeps no answer that the database could not be given, and those after it', () => {
    record('large', floats(1_000_000));
    record('long', texts('a'.repeat(20_000_000)));
    record('small', floats(3));
    recorder.flush();
    expect(handed.map(({ predictionId }) => predictionId)).toEqual(['small']);
  });

  it('keeps no more of a second than the supervisor writes without keeping connections waiting', () => {
    for (let index = 0; index < 5; index++) record(`${index}`, floats(300_000));
    recorder.flush();
    // A second may end between two of them.
    expect(handed.length).toBeGreaterThanOrEqual(2);
    expect(handed.length).toBeLessThan(5);
  });

  it('writes text that every database takes', () => {
    record('id', texts('\ud800', 'a\0b', '\u{1f600}'));
    recorder.flush();
    expect(handed[0]?.outputs[0]?.data).toEqual(['\ufffd', 'a\ufffdb', '\u{1f600}']);
  });
});
