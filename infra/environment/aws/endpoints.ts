import * as pulumi from '@pulumi/pulumi';
import { ec2, vpc } from './sdk.ts';

export interface VpcEndpointsArgs {
  readonly region: string;
  readonly vpcId: pulumi.Input<string>;
  readonly cidr: string;
  readonly subnetIds: readonly pulumi.Input<string>[];
  readonly routeTableIds: readonly pulumi.Input<string>[];
}

/** Services that private nodes and pods speak to; without an endpoint each call would leave through a NAT gateway and cost by the byte. */
export const interfaceEndpoints = [
  'ec2',
  'ecr.api',
  'ecr.dkr',
  'eks',
  'eks-auth',
  'elasticloadbalancing',
  'kms',
  'logs',
  'secretsmanager',
  'sts',
] as const;

/** AWS's services inside the VPC: S3 by route (free), the others by interface. */
export class VpcEndpoints extends pulumi.ComponentResource {
  constructor(name: string, args: VpcEndpointsArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:environment:VpcEndpoints', name, {}, opts);
    const child = { parent: this };
    const group = new ec2.SecurityGroup(
      name,
      { vpcId: args.vpcId, description: 'AWS services inside the VPC', tags: { Name: name } },
      child,
    );
    new vpc.SecurityGroupIngressRule(
      `${name}-https`,
      {
        securityGroupId: group.id,
        description: 'HTTPS from the VPC',
        cidrIpv4: args.cidr,
        ipProtocol: 'tcp',
        fromPort: 443,
        toPort: 443,
      },
      child,
    );
    new ec2.VpcEndpoint(
      `${name}-s3`,
      {
        vpcId: args.vpcId,
        serviceName: `com.amazonaws.${args.region}.s3`,
        vpcEndpointType: 'Gateway',
        routeTableIds: [...args.routeTableIds],
        tags: { Name: `${name}-s3` },
      },
      child,
    );
    for (const service of interfaceEndpoints) {
      new ec2.VpcEndpoint(
        `${name}-${service}`,
        {
          vpcId: args.vpcId,
          serviceName: `com.amazonaws.${args.region}.${service}`,
          vpcEndpointType: 'Interface',
          privateDnsEnabled: true,
          subnetIds: [...args.subnetIds],
          securityGroupIds: [group.id],
          tags: { Name: `${name}-${service}` },
        },
        child,
      );
    }
    this.registerOutputs({});
  }
}
