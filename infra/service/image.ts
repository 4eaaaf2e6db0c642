import { createHash } from 'node:crypto';
import * as docker from '@pulumi/docker';
import * as pulumi from '@pulumi/pulumi';
import { InfraError } from '../errors.ts';
import { contentDigest } from './content.ts';

export interface ServingImageArgs {
  /** An image that is there already, by digest: `registry/name@sha256:...`. Then nothing is built and docker is not needed. */
  readonly ref?: pulumi.Input<string> | undefined;
  /** Where to push what is built: `registry/name`, no tag. Needed without `ref`. */
  readonly repository?: pulumi.Input<string> | undefined;
  /** Who may push there. @default docker's own logins */
  readonly registry?: pulumi.Input<docker.types.input.Registry> | undefined;
  /** The checkout, absolute. Needed without `ref`. */
  readonly context?: string | undefined;
  /** Target of the Dockerfile. Changing it builds another image. */
  readonly target?: 'cpu' | 'gpu' | undefined;
  /** @default the Dockerfile's own */
  readonly buildArgs?: Readonly<Record<string, string>> | undefined;
}

/** What the Dockerfile copies, and so what makes another image; a test holds it against the Dockerfile. */
export const imageInputs = [
  'Dockerfile',
  '.dockerignore',
  '.npmrc',
  'package.json',
  'package-lock.json',
  'conversion/manifest',
  'serving',
  'toolchain/image',
] as const;

const byDigest = /@sha256:[0-9a-f]{64}$/;

/** The serving image: built and pushed where its content changed, used by digest in any case. */
export class ServingImage extends pulumi.ComponentResource {
  /** `registry/name@sha256:...`. */
  readonly ref: pulumi.Output<string>;

  constructor(name: string, args: ServingImageArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:service:ServingImage', name, {}, opts);
    if (args.ref !== undefined) {
      this.ref = pulumi.output(args.ref).apply((ref) => {
        if (byDigest.test(ref)) return ref;
        throw new InfraError(
          'SETTING_INVALID',
          `image: '${ref}' names no digest, so what runs could change behind the same name; write registry/name@sha256:<64 hex digits>.`,
        );
      });
      this.registerOutputs({ ref: this.ref });
      return;
    }
    const { context, repository } = args;
    if (context === undefined || repository === undefined) {
      throw new InfraError(
        'SETTING_INVALID',
        'image: neither a reference by digest nor a registry to push to is set.',
      );
    }
    const target = args.target ?? 'cpu';
    const built = `${contentDigest(context, imageInputs)}${JSON.stringify(args.buildArgs ?? {})}`;
    const tag = createHash('sha256').update(built).digest('hex').slice(0, 16);
    const image = new docker.Image(
      name,
      {
        imageName: pulumi.interpolate`${repository}:${target}-${tag}`,
        build: {
          context,
          dockerfile: `${context}/Dockerfile`,
          target,
          platform: 'linux/amd64',
          builderVersion: 'BuilderBuildKit',
          args: { BUILDKIT_INLINE_CACHE: '1', ...args.buildArgs },
          cacheFrom: { images: [pulumi.interpolate`${repository}:${target}-${tag}`] },
        },
        ...(args.registry === undefined ? {} : { registry: args.registry }),
      },
      { parent: this },
    );
    this.ref = image.repoDigest;
    this.registerOutputs({ ref: this.ref });
  }
}
