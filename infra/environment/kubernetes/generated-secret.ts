import { readFileSync } from 'node:fs';
import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import { labelsOf } from '../../labels.ts';
import { addresses, egressTo } from '../../network-rules.ts';
import { restrictedContainer, restrictedPod } from '../../restricted-pod.ts';

export interface GeneratedSecretArgs {
  readonly namespace: pulumi.Input<string>;
  /** Name of the Secret. Changing it makes a new one with new values. */
  readonly secretName: string;
  /** Keys that get 32 random bytes each, base64url. */
  readonly random: readonly string[];
  /** Further keys: `${key}` is a random key's value, `${sha256:key}` its digest in hex. @default none */
  readonly templates?: Readonly<Record<string, string>> | undefined;
  /** An image with `node` in it: the serving image. */
  readonly image: pulumi.Input<string>;
  /** Address of the API server, for the one pod that may speak to it. @default any address, ports 443 and 6443 */
  readonly apiServerCidr?: string | undefined;
}

const script = readFileSync(new URL('./generate-secret.mjs', import.meta.url), 'utf8');

/**
 * A Secret whose values are made inside the cluster by a Job, and stay there: neither the machine that ran `up` nor the state ever
 * holds them, encrypted or not. An existing Secret is left as it is, so a repeated `up` changes no password.
 */
export class GeneratedSecret extends pulumi.ComponentResource {
  /** Name of the Secret, once it is there. */
  readonly secretName: pulumi.Output<string>;

  constructor(name: string, args: GeneratedSecretArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:environment:GeneratedSecret', name, {}, opts);
    const child = { parent: this };
    const job = `generate-${args.secretName}`;
    const labels = labelsOf(job);
    const metadata = { name: job, namespace: args.namespace, labels: labels.all };
    const account = new k8s.core.v1.ServiceAccount(
      name,
      { metadata, automountServiceAccountToken: false },
      child,
    );
    const role = new k8s.rbac.v1.Role(
      name,
      // `create` cannot be limited to a name; nothing can be read with it.
      { metadata, rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['create'] }] },
      child,
    );
    const binding = new k8s.rbac.v1.RoleBinding(
      name,
      {
        metadata,
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: role.metadata.name },
        subjects: [{ kind: 'ServiceAccount', name: account.metadata.name, namespace: args.namespace }],
      },
      child,
    );
    const policy = new k8s.networking.v1.NetworkPolicy(
      name,
      {
        metadata,
        spec: {
          podSelector: { matchLabels: { ...labels.selector } },
          policyTypes: ['Egress'],
          egress: [egressTo([addresses(args.apiServerCidr ?? '0.0.0.0/0')], 443, 6443)],
        },
      },
      child,
    );
    const made = new k8s.batch.v1.Job(
      name,
      {
        metadata,
        spec: {
          backoffLimit: 6,
          template: {
            metadata: { labels: labels.all },
            spec: {
              serviceAccountName: account.metadata.name,
              automountServiceAccountToken: true,
              restartPolicy: 'Never',
              securityContext: restrictedPod(65532),
              containers: [
                {
                  name: 'generate',
                  image: args.image,
                  command: ['node', '--input-type=module', '-e', script],
                  env: [
                    {
                      name: 'SECRET_SPEC',
                      value: JSON.stringify({
                        name: args.secretName,
                        labels: labels.all,
                        random: args.random,
                        templates: args.templates ?? {},
                      }),
                    },
                  ],
                  securityContext: restrictedContainer,
                  resources: { requests: { cpu: '10m', memory: '64Mi' }, limits: { memory: '128Mi' } },
                },
              ],
            },
          },
        },
      },
      // A Job cannot be changed, and a new serving image is no reason to run it again.
      {
        ...child,
        dependsOn: [binding, policy],
        deleteBeforeReplace: true,
        ignoreChanges: ['spec.template.spec.containers[0].image'],
      },
    );
    // Only known once the Job is there: whoever takes the name waits for it.
    this.secretName = made.metadata.apply(() => args.secretName);
    this.registerOutputs({ secretName: this.secretName });
  }
}
