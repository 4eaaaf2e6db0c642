import * as pulumi from '@pulumi/pulumi';

export interface ConvertedModelArgs {
  /** Name it is served under. Changing this replaces the model: other repository folder, versions from 1 on. */
  readonly name: pulumi.Input<string>;
  /** Trained model, relative to the project. Other bytes make a new version. */
  readonly source: pulumi.Input<string>;
  /** Row of conversion/methods. Another one makes a new version. @default 'none' */
  readonly method?: pulumi.Input<string>;
  /** `dead`, `structured:<share>` or `unstructured:<share>`. Another one makes a new version. @default none */
  readonly prune?: pulumi.Input<string>;
  /** What a lossy method may cost, `error:<share>` or `accuracy:<points>`. @default 'error:0.05' */
  readonly budget?: pulumi.Input<string>;
  /** Labelled set: its accuracy goes into the manifest. @default none */
  readonly labels?: pulumi.Input<string>;
  /** Rows of real data: ranges for int8, and what lossy methods are judged on. @default the labelled set */
  readonly calibration?: pulumi.Input<string>;
  /** Module that says what layers of the user's own compute. @default none */
  readonly custom?: pulumi.Input<string>;
}

/**
 * A trained model, converted behind the parity gate. The conversion runs while the preview is made, so version, digest, size, parity
 * and accuracy are in the diff before anything changes; a model that fails the gate fails the preview.
 */
export class ConvertedModel extends pulumi.CustomResource {
  /** Previous + 1 on every new digest. */
  declare readonly version: pulumi.Output<number>;
  /** sha256 of manifest.json. */
  declare readonly digest: pulumi.Output<string>;
  declare readonly sizeBytes: pulumi.Output<number>;
  /** Largest error against the reference, relative to the largest answer. */
  declare readonly parityMaxRelError: pulumi.Output<number>;
  /** Top-1 on the labelled set; absent without one. */
  declare readonly accuracy: pulumi.Output<number | undefined>;
  /** `source`, or why the champion is served in its place: `retrain`, `rollback`. */
  declare readonly origin: pulumi.Output<string>;

  constructor(name: string, args: ConvertedModelArgs, opts?: pulumi.CustomResourceOptions) {
    const computed = {
      version: undefined,
      digest: undefined,
      sizeBytes: undefined,
      parityMaxRelError: undefined,
      accuracy: undefined,
      sourceSha256: undefined,
      origin: undefined,
    };
    super('modelmile:index:ConvertedModel', name, { ...computed, ...args }, opts);
  }
}
