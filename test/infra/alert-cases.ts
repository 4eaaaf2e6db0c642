/** Series of a promtool test: name with labels -> values in promtool's notation, one a minute. */
export type Series = Readonly<Record<string, string>>;

/** When an alert must fire and when it must not. Evaluated after `atMinutes`. */
export interface AlertCase {
  readonly fires: Series;
  readonly quiet: Series;
  readonly atMinutes: number;
}

const requests = (code: number, perMinute: number, minutes = 120) => ({
  [`modelmile_requests_total{model="digits",version="1",method="predict",code="${code}"}`]: `0+${perMinute}x${minutes}`,
});
/** Requests of which `slowPerMinute` take longer than a quarter of a second. */
const durations = (perMinute: number, slowPerMinute: number, minutes: number) => {
  const labels = 'model="digits",version="1",method="predict"';
  return {
    [`modelmile_request_duration_seconds_bucket{${labels},le="0.25"}`]: `0+${perMinute - slowPerMinute}x${minutes}`,
    [`modelmile_request_duration_seconds_bucket{${labels},le="+Inf"}`]: `0+${perMinute}x${minutes}`,
    [`modelmile_request_duration_seconds_count{${labels}}`]: `0+${perMinute}x${minutes}`,
  };
};
const up = (value: number) => ({ 'up{job="modelmile-serving",pod="modelmile-serving-0"}': `${value}x60` });
const gpu = (metric: string, value: number, minutes = 60) => ({
  [`${metric}{Hostname="node-1",gpu="0",modelName="NVIDIA L4"}`]: `${value}x${minutes}`,
});
const days = 24 * 60;

/** One row an alert; a test fails for an alert without one. */
export const alertCases: Readonly<Record<string, AlertCase>> = {
  RequestsRefusedForLackOfCapacity: {
    fires: { ...requests(200, 600), ...requests(429, 60) },
    quiet: { ...requests(200, 600), ...requests(429, 6) },
    atMinutes: 30,
  },
  RequestsMalformed: {
    fires: { ...requests(200, 60), ...requests(400, 30) },
    quiet: { ...requests(200, 60), ...requests(400, 6) },
    atMinutes: 60,
  },
  TrafficStopped: {
    fires: {
      'modelmile_requests_total{model="digits",version="1",method="predict",code="200"}': '0+60x120 7200x60',
    },
    quiet: { 'modelmile_requests_total{model="digits",version="1",method="predict",code="200"}': '0+60x180' },
    atMinutes: 145,
  },
  AccessDenied: {
    fires: requests(401, 120),
    quiet: requests(401, 6),
    atMinutes: 30,
  },
  FeedbackLost: {
    fires: { 'modelmile_predictions_unrecorded_total{model="digits"}': '0+60x60' },
    quiet: { 'modelmile_predictions_unrecorded_total{model="digits"}': '60x60' },
    atMinutes: 45,
  },
  ModelNotLoaded: {
    fires: { 'modelmile_model_load_failures_total{model="digits"}': '0x10 1x20' },
    quiet: { 'modelmile_model_load_failures_total{model="digits"}': '1x30' },
    atMinutes: 15,
  },
  CanaryRemoved: {
    fires: { 'modelmile_canary_removed_total{model="digits",version="4",reason="wrong"}': '0x10 1x20' },
    quiet: { 'modelmile_canary_removed_total{model="digits",version="4",reason="wrong"}': '0x30' },
    atMinutes: 15,
  },
  WorkersCrash: {
    fires: { 'modelmile_worker_crashes_total{pod="modelmile-serving-0"}': '0+1x60' },
    quiet: { 'modelmile_worker_crashes_total{pod="modelmile-serving-0"}': '0x10 1x50' },
    atMinutes: 15,
  },
  ConnectionsRefused: {
    fires: { 'modelmile_connections_refused_total{pod="modelmile-serving-0",process="worker"}': '0+60x60' },
    quiet: {
      'modelmile_connections_refused_total{pod="modelmile-serving-0",process="worker"}': '0x10 30x50',
    },
    atMinutes: 15,
  },
  AvailabilityBudgetBurnsFast: {
    fires: { ...requests(200, 600), ...requests(500, 30) },
    quiet: { ...requests(200, 60_000), ...requests(500, 30) },
    atMinutes: 90,
  },
  AvailabilityBudgetBurns: {
    fires: { ...requests(200, 6000, days), ...requests(500, 24, days) },
    quiet: { ...requests(200, 60_000, days), ...requests(500, 24, days) },
    atMinutes: days - 60,
  },
  LatencyBudgetBurnsFast: {
    fires: durations(600, 120, 120),
    quiet: durations(600, 6, 120),
    atMinutes: 90,
  },
  LatencyBudgetBurns: {
    fires: durations(6000, 240, days),
    quiet: durations(6000, 30, days),
    atMinutes: days - 60,
  },
  ServingGone: { fires: up(0), quiet: up(1), atMinutes: 10 },
  ServingPodDown: { fires: up(0), quiet: up(1), atMinutes: 10 },
  GpuError: {
    fires: gpu('DCGM_FI_DEV_XID_ERRORS', 79),
    quiet: gpu('DCGM_FI_DEV_XID_ERRORS', 0),
    atMinutes: 10,
  },
  GpuMemoryErrors: {
    fires: gpu('DCGM_FI_DEV_ECC_DBE_VOL_TOTAL', 1),
    quiet: gpu('DCGM_FI_DEV_ECC_DBE_VOL_TOTAL', 0),
    atMinutes: 10,
  },
  GpuHot: { fires: gpu('DCGM_FI_DEV_GPU_TEMP', 90), quiet: gpu('DCGM_FI_DEV_GPU_TEMP', 70), atMinutes: 20 },
  GpuMemoryFull: {
    fires: { ...gpu('DCGM_FI_DEV_FB_USED', 23_000), ...gpu('DCGM_FI_DEV_FB_FREE', 500) },
    quiet: { ...gpu('DCGM_FI_DEV_FB_USED', 12_000), ...gpu('DCGM_FI_DEV_FB_FREE', 11_500) },
    atMinutes: 20,
  },
  GpuIdle: {
    fires: gpu('DCGM_FI_DEV_GPU_UTIL', 0, 400),
    quiet: gpu('DCGM_FI_DEV_GPU_UTIL', 40, 400),
    atMinutes: 300,
  },
  NotificationsFail: {
    fires: { 'alertmanager_notifications_failed_total{integration="slack"}': '0+1x60' },
    quiet: { 'alertmanager_notifications_failed_total{integration="slack"}': '3x60' },
    atMinutes: 30,
  },
  RulesFail: {
    fires: { 'prometheus_rule_evaluation_failures_total{rule_group="modelmile"}': '0+1x60' },
    quiet: { 'prometheus_rule_evaluation_failures_total{rule_group="modelmile"}': '0x60' },
    atMinutes: 30,
  },
};
