import * as pulumi from '@pulumi/pulumi';
import { GeneratedSecret } from './generated-secret.ts';

export interface ApiKeysArgs {
  readonly namespace: pulumi.Input<string>;
  /** A Secret that is there, with the file `keys.json`. @default one is made, with one key */
  readonly secretName?: string | undefined;
  /** Image with `node` in it. */
  readonly image: pulumi.Input<string>;
}

/** Name of the file that the server reads. */
export const keysFileName = 'keys.json';

/** Entry of the key that is made: it may ask and answer, not load or unload models. The Job fills the digest in. */
const firstKey = { id: 'first', sha256: `\${sha256:first}`, scopes: ['predict:*', 'feedback:*'] };

/** Keys of the callers. The server gets their digests; the key itself is in the Secret, for whoever may read it there. */
export class ApiKeys extends pulumi.ComponentResource {
  readonly secretName: pulumi.Output<string>;

  constructor(name: string, args: ApiKeysArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:environment:ApiKeys', name, {}, opts);
    this.secretName =
      args.secretName === undefined
        ? new GeneratedSecret(
            name,
            {
              namespace: args.namespace,
              secretName: 'modelmile-keys',
              image: args.image,
              random: ['first'],
              templates: { [keysFileName]: JSON.stringify({ keys: [firstKey] }) },
            },
            { parent: this },
          ).secretName
        : pulumi.output(args.secretName);
    this.registerOutputs({ secretName: this.secretName });
  }
}
