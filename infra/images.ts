/** Images that others publish, by version. A stack with its own registry pulls them from there (`imageRegistry`). */
export const images = {
  postgres: 'docker.io/library/postgres:17.6',
  valkey: 'docker.io/valkey/valkey:8.1.4',
  prometheus: 'quay.io/prometheus/prometheus:v3.9.1',
  alertmanager: 'quay.io/prometheus/alertmanager:v0.28.1',
  grafana: 'docker.io/grafana/grafana:12.2.0',
  dcgmExporter: 'nvcr.io/nvidia/k8s/dcgm-exporter:4.4.1-4.5.2-ubuntu22.04',
  nvidiaDevicePlugin: 'nvcr.io/nvidia/k8s-device-plugin:v0.17.4',
} as const;
export type ImageName = keyof typeof images;

/** `quay.io/prometheus/prometheus:v3` with registry `registry.local/mirror` is `registry.local/mirror/prometheus/prometheus:v3`. */
export function imageRef(name: ImageName, registry?: string | undefined): string {
  return registry === undefined ? images[name] : images[name].replace(/^[^/]+/, registry.replace(/\/+$/, ''));
}
