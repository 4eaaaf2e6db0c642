import type * as pulumi from '@pulumi/pulumi';
import type { ConvertedModel } from '../conversion/converted-model.ts';
import type { Settings } from '../settings.ts';

/** A converted model with the name it is served under. */
export interface DeployableModel {
  readonly name: string;
  readonly resource: ConvertedModel;
}

/** What a service offers, on every platform. */
export interface ServiceOutputs {
  /** Base URL of the REST API. */
  readonly endpoint: pulumi.Output<string>;
  readonly console?: pulumi.Output<string>;
}

/**
 * One platform: maps the loop's stages to its components. `Environment` is whatever the platform's service needs of its environment.
 */
export interface Platform<Environment = unknown> {
  environment(settings: Settings, models: readonly DeployableModel[]): Environment;
  service(settings: Settings, models: readonly DeployableModel[], environment: Environment): ServiceOutputs;
  /** What watches the service; outputs for people, such as the address of the dashboards. */
  monitoring(
    settings: Settings,
    service: ServiceOutputs,
    environment: Environment,
  ): Readonly<Record<string, pulumi.Input<string>>>;
  /** Where the users' feedback is kept, and so where `retrain` reads it. */
  feedback(settings: Settings, service: ServiceOutputs, environment: Environment): pulumi.Input<string>;
}
