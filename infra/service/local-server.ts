import * as pulumi from '@pulumi/pulumi';

/** A model version to serve. */
export interface ServedVersion {
  readonly name: pulumi.Input<string>;
  readonly version: pulumi.Input<number>;
  readonly digest: pulumi.Input<string>;
}

export interface LocalServerArgs {
  /** What it serves. A change is a zero-drop reload. */
  readonly models: pulumi.Input<pulumi.Input<ServedVersion>[]>;
  /** Loopback ports. A change moves the listener; nothing is replaced. */
  readonly restPort: pulumi.Input<number>;
  readonly grpcPort: pulumi.Input<number>;
  readonly managementPort: pulumi.Input<number>;
  /** Worker processes. @default 0: one for each core, at most 4 */
  readonly workers?: pulumi.Input<number>;
  /** Keep the inputs of predictions, so that feedback can become training data. @default false */
  readonly recordInputs?: pulumi.Input<boolean>;
}

/**
 * The service on this machine: one supervisor with its workers, on loopback. Update = zero-drop reload, delete = drain and stop,
 * read = does it live and serve what the state says.
 */
export class LocalServer extends pulumi.CustomResource {
  /** Base URL of the REST API. */
  declare readonly endpoint: pulumi.Output<string>;
  declare readonly console: pulumi.Output<string>;
  /** URL of /metrics. */
  declare readonly metrics: pulumi.Output<string>;

  constructor(name: string, args: LocalServerArgs, opts?: pulumi.CustomResourceOptions) {
    const computed = { endpoint: undefined, console: undefined, metrics: undefined };
    super(
      'modelmile:index:LocalServer',
      name,
      { ...computed, workers: 0, recordInputs: false, ...args },
      opts,
    );
  }
}
