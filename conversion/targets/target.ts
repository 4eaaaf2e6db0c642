import type { CustomLayers } from '../custom-layers.ts';
import type { Manifest, Parity, Signature } from '../manifest/index.ts';
import type { SourceModel } from '../readers/reader.ts';
import type { OpenModel } from '../verify/accuracy.ts';
import type { Budget } from '../verify/parity.ts';
import type { VersionFiles } from '../version-files.ts';

/** What a target gets: a source that was read, and the choices. */
export interface TargetRequest {
  readonly model: SourceModel;
  /** The source's path, for messages. */
  readonly where: string;
  /** One of the target's own methods. */
  readonly method: string;
  /** Path of rows that stand for real inputs: calibration, and what a lossy method is judged on. */
  readonly calibration?: string;
  /** `dead`, `structured:<share>` or `unstructured:<share>`, before the method. */
  readonly prune?: string;
  readonly custom: CustomLayers;
  readonly seed: number;
  /** What a method that is not exact may cost. */
  readonly budget: Budget;
  /** Bytes of weights that go into the artifact itself; default: what its format has room for. */
  readonly mostInlineBytes?: number;
}

/** One artifact that has passed the parity gate. */
export interface TargetResult {
  readonly artifact: Pick<Manifest['artifact'], 'format' | 'irVersion' | 'opset'>;
  /** The artifact, and what belongs beside it, by name. */
  readonly files: VersionFiles;
  readonly signature: Signature;
  readonly parity: Parity;
  /** Of the calibration rows, where some were given and used. */
  readonly calibrationSha256?: string;
}

/** A deployable format: a file in targets/ and a row in targets/index.ts. */
export interface Target {
  /** Name of the artifact in a version folder. */
  readonly file: string;
  /** The methods that it knows, with a sentence on each. */
  readonly methods: Readonly<Record<string, string>>;
  /** @throws ConversionError for what it cannot hold, and for an artifact that does not answer as the source does. */
  convert(request: TargetRequest): Promise<TargetResult>;
  /** Opens a version for labelled sets. */
  open(files: VersionFiles, signature: Signature): Promise<OpenModel>;
}
