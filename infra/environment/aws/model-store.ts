import { existsSync } from 'node:fs';
import * as pulumi from '@pulumi/pulumi';
import { policyDocument } from './iam.ts';
import { s3 } from './sdk.ts';

/** A version folder on the machine that runs `up` (contract 1). */
export interface StoredModel {
  readonly name: string;
  readonly version: pulumi.Input<number>;
  readonly folder: pulumi.Input<string>;
}

export interface ModelStoreArgs {
  /** Globally unique. Changing it makes a new, empty store. */
  readonly bucketName: string;
  /** Encrypts what is uploaded from now on. */
  readonly keyArn: pulumi.Input<string>;
  readonly models: readonly StoredModel[];
  /** @default false; a bucket with models in it is then not deleted */
  readonly forceDestroy?: boolean | undefined;
}

/** Files of a version folder: external data, a signature and a profile are not in every one. */
const versionFiles = {
  always: ['manifest.json', 'model.onnx'],
  maybe: ['model.onnx.data', 'manifest.json.sig', 'profile.json'],
} as const;

/** The model repository on S3: every version kept, encrypted under our key, TLS only, public to nobody. */
export class ModelStore extends pulumi.ComponentResource {
  readonly bucketArn: pulumi.Output<string>;
  /** `s3://bucket`: ServingSettings.modelRoot. */
  readonly root: pulumi.Output<string>;
  /** Every file of every version: pods that are to load them wait for these. */
  readonly uploads: pulumi.Output<pulumi.Resource[]>;

  constructor(name: string, args: ModelStoreArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:environment:ModelStore', name, {}, opts);
    const child = { parent: this };
    const bucket = new s3.Bucket(
      name,
      { bucket: args.bucketName, forceDestroy: args.forceDestroy ?? false },
      child,
    );
    const of = { bucket: bucket.id };
    new s3.BucketVersioning(name, { ...of, versioningConfiguration: { status: 'Enabled' } }, child);
    const encryption = new s3.BucketServerSideEncryptionConfiguration(
      name,
      {
        ...of,
        rules: [
          {
            applyServerSideEncryptionByDefault: { sseAlgorithm: 'aws:kms', kmsMasterKeyId: args.keyArn },
            bucketKeyEnabled: true,
          },
        ],
      },
      child,
    );
    const block = new s3.BucketPublicAccessBlock(
      name,
      {
        ...of,
        blockPublicAcls: true,
        blockPublicPolicy: true,
        ignorePublicAcls: true,
        restrictPublicBuckets: true,
      },
      child,
    );
    new s3.BucketOwnershipControls(name, { ...of, rule: { objectOwnership: 'BucketOwnerEnforced' } }, child);
    new s3.BucketLifecycleConfiguration(
      name,
      {
        ...of,
        rules: [
          {
            id: 'left-overs',
            status: 'Enabled',
            filter: { prefix: '' },
            abortIncompleteMultipartUpload: { daysAfterInitiation: 7 },
            noncurrentVersionExpiration: { noncurrentDays: 365 },
          },
        ],
      },
      child,
    );
    new s3.BucketPolicy(
      name,
      {
        ...of,
        policy: policyDocument([
          {
            Sid: 'TlsOnly',
            Effect: 'Deny',
            Principal: '*',
            Action: ['s3:*'],
            Resource: [bucket.arn, pulumi.interpolate`${bucket.arn}/*`],
            Condition: { Bool: { 'aws:SecureTransport': 'false' } },
          },
          {
            Sid: 'OurKeyOnly',
            Effect: 'Deny',
            Principal: '*',
            Action: ['s3:PutObject'],
            Resource: [pulumi.interpolate`${bucket.arn}/*`],
            Condition: {
              StringNotEqualsIfExists: { 's3:x-amz-server-side-encryption-aws-kms-key-id': args.keyArn },
            },
          },
        ]),
      },
      { ...child, dependsOn: [block] },
    );
    this.uploads = pulumi
      .all(args.models.map((model) => this.upload(name, model, bucket.id, encryption)))
      .apply((all) => all.flat());
    this.bucketArn = bucket.arn;
    this.root = pulumi.interpolate`s3://${bucket.id}`;
    this.registerOutputs({ root: this.root });
  }

  /** Old objects stay: a rollback, and pods that still start with the old settings, find theirs. */
  private upload(name: string, model: StoredModel, bucket: pulumi.Output<string>, after: pulumi.Resource) {
    const object = (file: string): pulumi.Resource =>
      new s3.BucketObjectv2(
        `${name}-${model.name}-${file}`,
        {
          bucket,
          key: pulumi.interpolate`${model.name}/${model.version}/${file}`,
          source: pulumi.output(model.folder).apply((path) => new pulumi.asset.FileAsset(`${path}/${file}`)),
          serverSideEncryption: 'aws:kms',
        },
        { parent: this, dependsOn: [after], retainOnDelete: true },
      );
    const always = versionFiles.always.map(object);
    // Which of the others there are is known once the model is converted, which a preview has done.
    return pulumi
      .output(model.folder)
      .apply((folder) => [
        ...always,
        ...versionFiles.maybe.filter((file) => existsSync(`${folder}/${file}`)).map(object),
      ]);
  }
}
