/** A model whose weights have no room in one message: `npm run test:full -- conversion`. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import {
  type Conversion,
  type ConvertOptions,
  convert,
  readVersion,
  writeVersion,
} from '../../../conversion/index.ts';
import { sizeOfArtifact } from '../../../conversion/manifest/index.ts';
import { runSession, runtimeTensor } from '../../../conversion/verify/session.ts';
import { fullCount } from '../../support/full-count.ts';
import { deviationsIn, type RecordedModel } from '../recorded.ts';
import { installHint, pythonWith } from '../reference/python.ts';

const forms = [
  { end: 'h5', how: {}, allowedShare: 1 },
  // Quantized it fits into one file again; how far it may be off is the gate's to say.
  { end: 'keras', how: { method: 'dynamic-int8' }, allowedShare: Number.POSITIVE_INFINITY },
] as const satisfies readonly { end: string; how: ConvertOptions; allowedShare: number }[];

interface Figures {
  readonly form: string;
  readonly sizeBytes: number;
  readonly dataBytes: number;
  /** Largest error over what is allowed. */
  readonly share: number;
  readonly seconds: number;
  readonly processorSeconds: number;
  readonly peakMiB: number;
}

const python = pythonWith('keras');
const maker = new URL('./large_model.py', import.meta.url).pathname;

/** What the runtime answers to the file itself, as serving loads it. */
async function answersFrom(folder: string, { manifest }: Conversion, { inputs }: RecordedModel) {
  const { inputs: specs, outputs } = manifest.signatures['serving_default']!;
  const session = await InferenceSession.create(join(folder, 'model.onnx'), { intraOpNumThreads: 1 });
  const feeds = { [specs[0]!.name]: runtimeTensor(specs[0]!, inputs[0]!.shape, inputs[0]!.data) };
  const [answer] = await runSession(session, feeds, [outputs[0]!.name]);
  await session.release();
  return answer!.data;
}

/** @throws where it does not convert, answers otherwise than in float64, or is another when it is read again */
async function convertOne(chunk: number): Promise<Figures> {
  const { end, how, allowedShare } = forms[chunk] as (typeof forms)[number];
  const folder = mkdtempSync(join(tmpdir(), 'modelmile-large-'));
  try {
    execFileSync(python as string, [maker, end, folder], { stdio: 'ignore' });
    const record = JSON.parse(readFileSync(join(folder, 'record.json'), 'utf8')) as RecordedModel;
    const [startedMs, before] = [performance.now(), process.cpuUsage()];
    const conversion = await convert(join(folder, `large.${end}`), how);
    const version = join(folder, 'version');
    await writeVersion(conversion, version);
    const seconds = (performance.now() - startedMs) / 1000;
    const { user, system } = process.cpuUsage(before);
    const peakMiB = process.resourceUsage().maxRSS / 1024;
    const { manifest } = conversion;
    const isApart = manifest.artifact.externalData !== undefined;
    if (isApart !== !('method' in how)) throw new Error(`${end}: weights in a file of their own: ${isApart}`);
    const [deviation] = await deviationsIn(conversion, record);
    const share = deviation!.error / deviation!.allowed;
    if (!(share <= allowedShare)) throw new Error(`${end}: off by ${share} times what is allowed`);
    const back = await readVersion(version);
    if (Buffer.compare(back.manifestBytes, conversion.manifestBytes) !== 0) throw new Error('read otherwise');
    const served = await answersFrom(version, conversion, record);
    const [again] = await deviationsIn(back, {
      ...record,
      outputs: [{ ...record.outputs[0]!, data: [...served] }],
    });
    if (again!.error > again!.allowed) throw new Error(`${end}: served from its files it answers otherwise`);
    if (isApart) {
      const { manifest: same } = await convert(join(version, 'model.onnx'));
      if (same.artifact.externalData?.sha256 !== manifest.artifact.externalData?.sha256)
        throw new Error('as a source it has other weights');
    }
    return {
      form: `.${end}, ${manifest.recipe.method}`,
      sizeBytes: sizeOfArtifact(manifest),
      dataBytes: manifest.artifact.externalData?.sizeBytes ?? 0,
      share,
      seconds,
      processorSeconds: (user + system) / 1e6,
      peakMiB,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await fullCount<Figures>(import.meta.url, {
  title: 'Weights beyond one message',
  what: 'A Keras 3 model with 420 million parameters in one layer (1.7 GB) as .h5 and .keras. It must convert through the gate, into model.onnx and model.onnx.data where it is not quantized, answer within four times Keras’s own float32 error against float64 (or 1e-5 of the largest value), answer the same when onnxruntime opens the files by their path, be read back as it was written, and as an ONNX source have the same weights.',
  chunks: forms.length,
  lacks: python === undefined ? installHint : undefined,
  run: convertOne,
  report: (all) =>
    Object.fromEntries(
      all.map(({ form, sizeBytes, dataBytes, share, seconds, processorSeconds, peakMiB }) => [
        form,
        `${sizeBytes.toLocaleString('en-US')} bytes, ${dataBytes.toLocaleString('en-US')} of them in model.onnx.data;${share <= 1 ? ` off by ${share.toFixed(2)} of what is allowed;` : ''} ${seconds.toFixed(0)} s, ${processorSeconds.toFixed(0)} of them of a processor, peak so far ${Math.round(peakMiB).toLocaleString('en-US')} MiB`,
      ]),
    ),
});
