import * as pulumi from '@pulumi/pulumi';
import { ecr } from './sdk.ts';

export interface RegistryArgs {
  /** Changing it replaces the repository with all its images. */
  readonly repositoryName: string;
  /** Encrypts images. Changing it replaces the repository with all its images. */
  readonly keyArn: pulumi.Input<string>;
  /** Deletes images with the repository: for stacks that come and go. @default false */
  readonly forceDelete?: boolean | undefined;
}

/**
 * ECR for the serving image. Tags never move, every push is scanned. Only what has no tag any more expires: an image that was ever
 * deployed keeps its content tag, so a rollback always finds it (awsx's default keeps one untagged image).
 */
export const lifecyclePolicy = {
  rules: [
    {
      rulePriority: 1,
      description: 'Left-overs of builds that were never deployed',
      selection: { tagStatus: 'untagged', countType: 'sinceImagePushed', countUnit: 'days', countNumber: 30 },
      action: { type: 'expire' },
    },
  ],
} as const;

export class Registry extends pulumi.ComponentResource {
  /** `123456789012.dkr.ecr.eu-central-1.amazonaws.com/name`. */
  readonly repositoryUrl: pulumi.Output<string>;
  /** Who may push, for docker: a token of twelve hours, asked for when an image is really pushed. */
  readonly login: pulumi.Output<{ server: string; username: string; password: string }>;

  constructor(name: string, args: RegistryArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:environment:Registry', name, {}, opts);
    const child = { parent: this };
    const repository = new ecr.Repository(
      name,
      {
        name: args.repositoryName,
        imageTagMutability: 'IMMUTABLE',
        imageScanningConfiguration: { scanOnPush: true },
        encryptionConfigurations: [{ encryptionType: 'KMS', kmsKey: args.keyArn }],
        forceDelete: args.forceDelete ?? false,
      },
      child,
    );
    new ecr.LifecyclePolicy(
      name,
      { repository: repository.name, policy: JSON.stringify(lifecyclePolicy) },
      child,
    );
    this.repositoryUrl = repository.repositoryUrl;
    const token = ecr.getAuthorizationTokenOutput({ registryId: repository.registryId }, child);
    this.login = pulumi.all([repository.repositoryUrl, token]).apply(([url, { userName, password }]) => ({
      server: url.split('/')[0]!,
      username: userName,
      password: pulumi.secret(password) as unknown as string,
    }));
    this.registerOutputs({ repositoryUrl: this.repositoryUrl });
  }
}
