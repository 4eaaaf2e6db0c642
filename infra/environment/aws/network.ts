import * as pulumi from '@pulumi/pulumi';
import type { Account } from './account.ts';
import { VpcEndpoints } from './endpoints.ts';
import { ServiceRole } from './iam.ts';
import { cloudwatch, ec2 } from './sdk.ts';
import { addressPlan } from './subnets.ts';

export interface NetworkArgs {
  readonly account: Account;
  /** IPv4 range, /16 to /20. Changing it replaces everything in it. Each stack has its own, so that stacks can be peered. */
  readonly cidr: string;
  /** `per-zone` survives the loss of a zone; `single` costs a third. @default 'per-zone' */
  readonly natGateways?: 'per-zone' | 'single' | undefined;
  /** Changed in place. @default 365 */
  readonly flowLogRetentionDays?: number | undefined;
  /** The flow log outlives the stack. @default true */
  readonly keepLogs?: boolean | undefined;
  /** Encrypts the flow log. */
  readonly keyArn: pulumi.Input<string>;
}

/** A VPC over three zones: nodes have private addresses only, AWS's services are reached without the internet, every flow is logged. */
export class Network extends pulumi.ComponentResource {
  readonly vpcId: pulumi.Output<string>;
  readonly cidr: string;
  readonly privateSubnetIds: pulumi.Output<string>[];
  readonly publicSubnetIds: pulumi.Output<string>[];

  constructor(name: string, args: NetworkArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:environment:Network', name, {}, opts);
    const child = { parent: this };
    const plan = addressPlan(args.cidr);
    const tags = (of: string) => ({ tags: { Name: of } });
    const vpc = new ec2.Vpc(
      name,
      { cidrBlock: args.cidr, enableDnsSupport: true, enableDnsHostnames: true, ...tags(name) },
      child,
    );
    // The group that AWS gives every VPC allows everything inside it: taking it over without rules empties it.
    new ec2.DefaultSecurityGroup(`${name}-default`, { vpcId: vpc.id, ingress: [], egress: [] }, child);
    const gateway = new ec2.InternetGateway(name, { vpcId: vpc.id, ...tags(name) }, child);
    const publicRoutes = new ec2.RouteTable(
      `${name}-public`,
      {
        vpcId: vpc.id,
        routes: [{ cidrBlock: '0.0.0.0/0', gatewayId: gateway.id }],
        ...tags(`${name}-public`),
      },
      child,
    );
    const publicSubnets = plan.public.map((cidrBlock, i) => {
      const subnet = new ec2.Subnet(
        `${name}-public-${i}`,
        {
          vpcId: vpc.id,
          cidrBlock,
          availabilityZone: args.account.zones[i]!,
          mapPublicIpOnLaunch: false,
          tags: { Name: `${name}-public-${i}`, 'kubernetes.io/role/elb': '1' },
        },
        child,
      );
      new ec2.RouteTableAssociation(
        `${name}-public-${i}`,
        { subnetId: subnet.id, routeTableId: publicRoutes.id },
        child,
      );
      return subnet;
    });
    const natCount = (args.natGateways ?? 'per-zone') === 'single' ? 1 : 3;
    const nats = publicSubnets.slice(0, natCount).map((subnet, i) => {
      const address = new ec2.Eip(`${name}-nat-${i}`, { domain: 'vpc', ...tags(`${name}-nat-${i}`) }, child);
      return new ec2.NatGateway(
        `${name}-nat-${i}`,
        { allocationId: address.id, subnetId: subnet.id, ...tags(`${name}-nat-${i}`) },
        { ...child, dependsOn: [gateway] },
      );
    });
    const privateRoutes = plan.private.map(
      (_, i) =>
        new ec2.RouteTable(
          `${name}-private-${i}`,
          {
            vpcId: vpc.id,
            routes: [{ cidrBlock: '0.0.0.0/0', natGatewayId: nats[Math.min(i, natCount - 1)]!.id }],
            ...tags(`${name}-private-${i}`),
          },
          child,
        ),
    );
    const privateSubnets = plan.private.map((cidrBlock, i) => {
      const subnet = new ec2.Subnet(
        `${name}-private-${i}`,
        {
          vpcId: vpc.id,
          cidrBlock,
          availabilityZone: args.account.zones[i]!,
          mapPublicIpOnLaunch: false,
          tags: { Name: `${name}-private-${i}`, 'kubernetes.io/role/internal-elb': '1' },
        },
        child,
      );
      new ec2.RouteTableAssociation(
        `${name}-private-${i}`,
        { subnetId: subnet.id, routeTableId: privateRoutes[i]!.id },
        child,
      );
      return subnet;
    });
    this.vpcId = vpc.id;
    this.cidr = args.cidr;
    this.privateSubnetIds = privateSubnets.map((subnet) => subnet.id);
    this.publicSubnetIds = publicSubnets.map((subnet) => subnet.id);
    new VpcEndpoints(
      `${name}-endpoints`,
      {
        region: args.account.region,
        vpcId: vpc.id,
        cidr: args.cidr,
        subnetIds: this.privateSubnetIds,
        routeTableIds: privateRoutes.map((table) => table.id),
      },
      child,
    );
    this.flowLog(name, args, vpc.id);
    this.registerOutputs({ vpcId: this.vpcId });
  }

  /** Who spoke to whom, kept for a year: what an investigation after an incident asks for first. */
  private flowLog(name: string, args: NetworkArgs, vpcId: pulumi.Output<string>) {
    const { accountId, partition, region } = args.account;
    const group = new cloudwatch.LogGroup(
      `${name}-flow`,
      {
        name: `/modelmile/${name}/flow`,
        retentionInDays: args.flowLogRetentionDays ?? 365,
        kmsKeyId: args.keyArn,
      },
      { parent: this, retainOnDelete: args.keepLogs ?? true },
    );
    const role = new ServiceRole(
      `${name}-flow`,
      {
        service: 'vpc-flow-logs.amazonaws.com',
        accountId,
        partition,
        statements: [
          {
            Sid: 'WriteFlowLog',
            Effect: 'Allow',
            Action: ['logs:CreateLogStream', 'logs:PutLogEvents', 'logs:DescribeLogStreams'],
            Resource: [`arn:${partition}:logs:${region}:${accountId}:log-group:/modelmile/${name}/flow:*`],
          },
        ],
      },
      { parent: this },
    );
    new ec2.FlowLog(
      `${name}-flow`,
      {
        vpcId,
        trafficType: 'ALL',
        logDestinationType: 'cloud-watch-logs',
        logDestination: group.arn,
        iamRoleArn: role.arn,
        maxAggregationInterval: 60,
      },
      { parent: this, dependsOn: [role] },
    );
  }
}
