import { nodeSysctlFile } from '../os-parameters.ts';

const boundary = '==modelmile==';

/** Kubelet and containerd of a node, in nodeadm's form. https://awslabs.github.io/amazon-eks-ami/nodeadm/ */
export const nodeConfig = {
  apiVersion: 'node.eks.aws/v1alpha1',
  kind: 'NodeConfig',
  spec: {
    // Layers are unpacked while they arrive: a serving image with CUDA is gigabytes.
    featureGates: { FastImagePull: true },
    kubelet: {
      config: {
        serializeImagePulls: false,
        maxParallelImagePulls: 4,
        // What the system and kubelet need is never lent to pods.
        systemReserved: { cpu: '200m', memory: '512Mi' },
        kubeReserved: { cpu: '200m', memory: '512Mi' },
        evictionHard: { 'memory.available': '256Mi', 'nodefs.available': '10%', 'imagefs.available': '10%' },
      },
    },
  },
} as const;

/**
 * User data of a managed node group: kernel parameters, then nodeadm's part, to which EKS adds the cluster's address.
 * MIME multipart as cloud-init reads it; base64 for the launch template.
 */
export function userData(): string {
  const script = [
    '#!/bin/bash',
    'set -euo pipefail',
    "cat > /etc/sysctl.d/90-modelmile.conf <<'PARAMETERS'",
    `${nodeSysctlFile()}PARAMETERS`,
    'sysctl --system',
    '',
  ].join('\n');
  const parts = [
    { type: 'text/x-shellscript; charset="us-ascii"', body: script },
    // JSON is YAML, which is what nodeadm reads.
    { type: 'application/node.eks.aws', body: `${JSON.stringify(nodeConfig, null, 2)}\n` },
  ];
  const mime = [
    'MIME-Version: 1.0',
    `Content-Type: multipart/mixed; boundary="${boundary}"`,
    '',
    ...parts.flatMap(({ type, body }) => [`--${boundary}`, `Content-Type: ${type}`, '', body]),
    `--${boundary}--`,
    '',
  ].join('\n');
  return Buffer.from(mime, 'utf8').toString('base64');
}
