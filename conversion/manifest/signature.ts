import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';

/** File beside manifest.json that holds the signature of its bytes (contract 2). */
export const signatureFile = 'manifest.json.sig';

/**
 * The content of `manifest.json.sig`: Ed25519 over the manifest's bytes, base64, one line. The manifest holds the sha256 of every
 * other file, so this covers all of the version.
 * @param privateKeyPem PKCS#8
 * @throws Error where the key is not Ed25519
 */
export function signManifest(manifestBytes: Uint8Array, privateKeyPem: string): string {
  const key = createPrivateKey(privateKeyPem);
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new Error(`Manifests are signed with Ed25519, the key is ${key.asymmetricKeyType}`);
  }
  return `${sign(null, manifestBytes, key).toString('base64')}\n`;
}

/** Whether one of the keys (PEM) made the signature. */
export function isSignedBy(
  manifestBytes: Uint8Array,
  signatureText: string,
  publicKeyPems: readonly string[],
): boolean {
  const signature = Buffer.from(signatureText.trim(), 'base64');
  return publicKeyPems.some((pem) => {
    const key = createPublicKey(pem);
    return key.asymmetricKeyType === 'ed25519' && verify(null, manifestBytes, key, signature);
  });
}
