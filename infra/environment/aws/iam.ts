import * as pulumi from '@pulumi/pulumi';
import { iam } from './sdk.ts';

/** One statement of an IAM, key or bucket policy. */
export interface Statement {
  readonly Sid: string;
  readonly Effect: 'Allow' | 'Deny';
  readonly Principal?:
    | '*'
    | Readonly<Record<string, pulumi.Input<string> | readonly pulumi.Input<string>[]>>
    | undefined;
  readonly Action: readonly string[];
  readonly Resource: readonly pulumi.Input<string>[];
  readonly Condition?: Readonly<
    Record<string, Readonly<Record<string, pulumi.Input<string> | readonly pulumi.Input<string>[]>>>
  >;
}

/** A policy document as the text that AWS takes. */
export function policyDocument(statements: readonly Statement[]): pulumi.Output<string> {
  return pulumi.jsonStringify({ Version: '2012-10-17', Statement: statements });
}

/** `aws`, `aws-cn` or `aws-us-gov`: the first part of every ARN of a region. */
export function partitionOf(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn';
  return region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
}

export interface ServiceRoleArgs {
  /** Who takes the role: `eks.amazonaws.com`. */
  readonly service: string;
  /** EKS's own services tag their sessions. @default false */
  readonly tagSession?: boolean | undefined;
  readonly accountId: string;
  readonly partition: string;
  /** Names of AWS's managed policies. @default none */
  readonly managedPolicies?: readonly string[] | undefined;
  /** What the role may do itself. @default nothing */
  readonly statements?: readonly Statement[] | undefined;
}

/**
 * A role for one AWS service in this account, and nothing beyond what is listed. Whoever uses it names it in `dependsOn`: what it may do
 * is then there before its user and goes after it, or a tear-down would be left with what nobody may delete.
 */
export class ServiceRole extends pulumi.ComponentResource {
  readonly arn: pulumi.Output<string>;
  readonly name: pulumi.Output<string>;

  constructor(name: string, args: ServiceRoleArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:environment:ServiceRole', name, {}, opts);
    const child = { parent: this };
    const role = new iam.Role(
      name,
      {
        assumeRolePolicy: pulumi.jsonStringify({
          Version: '2012-10-17',
          Statement: [
            {
              Sid: 'Assume',
              Effect: 'Allow',
              Principal: { Service: args.service },
              Action: args.tagSession ? ['sts:AssumeRole', 'sts:TagSession'] : ['sts:AssumeRole'],
              // Another account's cluster or service cannot borrow it (confused deputy).
              ...(args.service === 'pods.eks.amazonaws.com' || args.service === 'ec2.amazonaws.com'
                ? {}
                : { Condition: { StringEquals: { 'aws:SourceAccount': args.accountId } } }),
            },
          ],
        }),
      },
      child,
    );
    for (const policy of args.managedPolicies ?? []) {
      new iam.RolePolicyAttachment(
        `${name}-${policy.split('/').at(-1)}`,
        { role: role.name, policyArn: `arn:${args.partition}:iam::aws:policy/${policy}` },
        child,
      );
    }
    if (args.statements) {
      new iam.RolePolicy(`${name}-policy`, { role: role.id, policy: policyDocument(args.statements) }, child);
    }
    this.arn = role.arn;
    this.name = role.name;
    this.registerOutputs({ arn: this.arn });
  }
}
