import { createRequire } from 'node:module';

/**
 * The services of @pulumi/aws that a stack is made of. Taken by `require`, each resource is loaded when it is first named; an `import`
 * would read every name of a service, and so load all of its five hundred files.
 */
const require = createRequire(import.meta.url);

export const budgets: typeof import('@pulumi/aws/budgets/index.js') = require('@pulumi/aws/budgets/index.js');
export const cloudwatch: typeof import('@pulumi/aws/cloudwatch/index.js') = require('@pulumi/aws/cloudwatch/index.js');
export const ec2: typeof import('@pulumi/aws/ec2/index.js') = require('@pulumi/aws/ec2/index.js');
export const ecr: typeof import('@pulumi/aws/ecr/index.js') = require('@pulumi/aws/ecr/index.js');
export const eks: typeof import('@pulumi/aws/eks/index.js') = require('@pulumi/aws/eks/index.js');
export const elasticache: typeof import('@pulumi/aws/elasticache/index.js') = require('@pulumi/aws/elasticache/index.js');
export const iam: typeof import('@pulumi/aws/iam/index.js') = require('@pulumi/aws/iam/index.js');
export const kms: typeof import('@pulumi/aws/kms/index.js') = require('@pulumi/aws/kms/index.js');
export const rds: typeof import('@pulumi/aws/rds/index.js') = require('@pulumi/aws/rds/index.js');
export const s3: typeof import('@pulumi/aws/s3/index.js') = require('@pulumi/aws/s3/index.js');
export const vpc: typeof import('@pulumi/aws/vpc/index.js') = require('@pulumi/aws/vpc/index.js');
