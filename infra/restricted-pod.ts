/**
 * Pod Security Standard "restricted", as the two security contexts that give it; a test holds every pod we render against the standard.
 * https://kubernetes.io/docs/concepts/security/pod-security-standards/
 */
export function restrictedPod(uid: number) {
  return {
    runAsNonRoot: true,
    runAsUser: uid,
    runAsGroup: uid,
    fsGroup: uid,
    // Large volumes are not chowned file by file at every start.
    fsGroupChangePolicy: 'OnRootMismatch',
    seccompProfile: { type: 'RuntimeDefault' },
  };
}

/** Beyond restricted: nothing is writable but what a volume gives. */
export const restrictedContainer = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  privileged: false,
  capabilities: { drop: ['ALL'] },
};
