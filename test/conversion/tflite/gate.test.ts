import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { convert, readVersion, writeVersion } from '../../../conversion/index.ts';
import { assemble, kerasToTflite, signatureOf } from '../../../conversion/tflite/index.ts';
import type { Operation, Program } from '../../../conversion/tflite/ir.ts';
import { tfliteParity } from '../../../conversion/tflite/parity.ts';
import { exactBudget } from '../../../conversion/verify/parity.ts';
import { readModel, writeModel } from './cases.ts';

const work = mkdtempSync(join(tmpdir(), 'modelmile-tflite-gate-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const digits = resolve('samples/digits');

const judgement = { seed: 1, budget: exactBudget };

describe('modelmile convert --target tflite', () => {
  it('writes one version folder, accurate to the digit that TensorFlow reports', async () => {
    const [exact, small] = await Promise.all(
      ['onnx', 'tflite'].map((target) =>
        convert(join(digits, 'model.h5'), { target, labels: join(digits, 'heldout.npz') }),
      ),
    );
    expect(small!.manifest.accuracy).toEqual(exact!.manifest.accuracy);
    expect(small!.manifest.signatures).toEqual(exact!.manifest.signatures);
    const folder = join(work, 'digits', '1');
    await writeVersion(small!, folder);
    expect(readdirSync(folder).sort()).toEqual(['manifest.json', 'model.tflite']);
    const { manifest } = await readVersion(folder);
    expect(manifest.artifact).toMatchObject({ format: 'tflite', model: { file: 'model.tflite' } });
    expect(manifest.parity).toMatchObject({ reference: 'float64-interpreter', passed: true });
  });

  it('judges a method by the rows that it is given: random ones are nothing that int8 has learnt from', async () => {
    const lossy = { target: 'tflite', method: 'static-int8', calibration: join(digits, 'heldout.npz') };
    const { manifest } = await convert(join(digits, 'model.h5'), lossy);
    expect(manifest.parity).toMatchObject({ reference: 'float64-interpreter', passed: true });
    expect(manifest.parity.maxRelError).toBeLessThan(0.05);
    expect(manifest.parity.maxRelError).toBeGreaterThan(1e-4);
  });

  it('refuses a target and a method that there is not, and a layer that it cannot hold, by name', async () => {
    const source = join(digits, 'model.h5');
    await expect(convert(source, { target: 'coreml' })).rejects.toMatchObject({
      code: 'CONVERSION_BAD_OPTION',
      message: expect.stringContaining('onnx, tflite'),
    });
    await expect(convert(source, { target: 'tflite', method: 'magic' })).rejects.toMatchObject({
      code: 'CONVERSION_BAD_OPTION',
    });
    await expect(
      convert(resolve('test/conversion/fixtures/unsupported.h5'), { target: 'tflite' }),
    ).rejects.toMatchObject({
      code: 'CONVERSION_UNSUPPORTED_LAYER',
      message: expect.stringContaining("'custom_scale'"),
    });
  });
});

describe('the gate of a .tflite file', () => {
  /** The program with one number of a layer's weights changed. */
  function broken(program: Program, layer: string): Program {
    const [main, ...rest] = program.graphs;
    const change = (operation: Operation): Operation => ({
      ...operation,
      inputs: operation.inputs.map((input) => {
        if (input?.name !== `${layer}/kernel`) return input;
        const data = (input.data as Float32Array).slice();
        data[0] = (data[0] as number) + 0.5;
        return { ...input, data };
      }),
    });
    return { ...program, graphs: [{ ...main!, operations: main!.operations.map(change) }, ...rest] };
  }

  it.each(['a', 'b', 'c'])('stops weights of layer %s that are off, and names the layer', async (layer) => {
    const model = await readModel(writeModel('keras3-sequential', work));
    const conversion = kerasToTflite(model);
    const program = broken(conversion.program, layer);
    const judge = () =>
      tfliteParity(model, conversion, assemble(program), signatureOf(conversion.program), judgement);
    expect(judge).toThrow(expect.objectContaining({ code: 'CONVERSION_PARITY_FAILED' }));
    // The activation is part of layer a's operation; its value is what is compared.
    expect(judge).toThrow(`'${layer}'`);
  });

  it('is not reached by what a file of this format cannot hold', async () => {
    const { program } = kerasToTflite(await readModel(writeModel('keras3-sequential', work)));
    const [main, ...rest] = program.graphs;
    const grown = (operation: Operation): Operation => ({
      ...operation,
      inputs: operation.inputs.map((input) =>
        input?.name === 'b/kernel' ? { ...input, dtype: 'int8', data: new Int8Array(2 ** 27 + 1) } : input,
      ),
    });
    const large = { ...program, graphs: [{ ...main!, operations: main!.operations.map(grown) }, ...rest] };
    expect(() => assemble(large)).toThrow(
      expect.objectContaining({
        code: 'CONVERSION_BAD_OPTION',
        message: expect.stringContaining('a constant has 134217729 numbers; take the target onnx'),
      }),
    );
  });

  it('does not pass what the reference cannot run', async () => {
    const model = await readModel(writeModel('keras3-sequential', work));
    const conversion = kerasToTflite(model);
    const layers = model.config.config['layers'] as { class_name: string; config: object }[];
    const strange = {
      ...model,
      config: {
        ...model.config,
        config: {
          ...model.config.config,
          layers: layers.map((layer) =>
            layer.class_name === 'Dense' ? { ...layer, class_name: 'Dense9' } : layer,
          ),
        },
      },
    };
    expect(() =>
      tfliteParity(
        strange,
        conversion,
        assemble(conversion.program),
        signatureOf(conversion.program),
        judgement,
      ),
    ).toThrow(expect.objectContaining({ code: 'CONVERSION_PARITY_FAILED' }));
  });
});
