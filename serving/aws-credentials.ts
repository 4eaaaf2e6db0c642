import type { defaultProvider } from '@aws-sdk/credential-provider-node';

type Provider = ReturnType<typeof defaultProvider>;
type AwsCredentials = Awaited<ReturnType<Provider>>;

/** Renewed this long before they end. */
const renewBeforeMs = 5 * 60 * 1000;

let provider: Provider | undefined;
let current: AwsCredentials | undefined;

/**
 * Who this process is for AWS: environment variables, web identity, the pod's or container's own identity, the machine's role, or the
 * shared file, as every AWS SDK looks for them. Kept until they end.
 * @throws Error where there are none
 */
export async function awsCredentials(): Promise<AwsCredentials> {
  const endsMs = current?.expiration?.getTime() ?? Number.POSITIVE_INFINITY;
  if (current !== undefined && Date.now() < endsMs - renewBeforeMs) return current;
  if (provider === undefined) {
    // Loaded only where it is needed: it is large.
    const sdk = await import('@aws-sdk/credential-provider-node');
    provider = sdk.defaultProvider();
  }
  current = await provider();
  return current;
}
