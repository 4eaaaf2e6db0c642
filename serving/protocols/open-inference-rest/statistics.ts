import type { DataPlane } from '../../dataplane.ts';
import type { Target } from '../../models.ts';
import type { DurationTotal, VersionStatistics } from '../../server-control.ts';
import type { RestResponse } from '../protocol.ts';

const duration = ({ count, seconds }: DurationTotal) => ({ count, ns: Math.round(seconds * 1e9) });

const modelStats = (of: VersionStatistics) => ({
  name: of.model,
  version: String(of.version),
  inference_count: of.rows,
  execution_count: of.runs,
  inference_stats: {
    success: duration(of.success),
    fail: duration(of.fail),
    queue: duration(of.queue),
    compute_infer: duration(of.infer),
  },
});

/**
 * The statistics extension: of one version, of all versions of a model, or of everything.
 * @see https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_statistics.md
 */
export async function statistics(dataPlane: DataPlane, target?: Target): Promise<RestResponse> {
  const stats = await dataPlane.statistics(target);
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model_stats: stats.map(modelStats) }),
    verb: 'statistics',
  };
}
