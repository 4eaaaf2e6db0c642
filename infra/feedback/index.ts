import * as pulumi from '@pulumi/pulumi';
import type { DeployableModel } from '../platforms/platform.ts';

/** Where the loop closes: what users say, and what to run to bring it back to training. */
export function feedbackLoop(models: readonly DeployableModel[], kept: pulumi.Input<string>) {
  return {
    kept: pulumi.output(kept),
    endpoints: models.map(({ name }) => `POST /v1/models/${name}:feedback`),
    next: models.map(({ name }) => `modelmile retrain ${name}`),
  };
}
