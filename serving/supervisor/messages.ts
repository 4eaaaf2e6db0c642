import type { FeedbackRequest, PredictionRecord, ServingSettings } from '../contract/index.ts';
import type { ServingErrorCode } from '../errors.ts';
import type { MetricsSnapshot } from '../monitoring/registry.ts';

/** What one worker has loaded, for /state. */
export interface LoadedVersions {
  readonly name: string;
  readonly versions: readonly { readonly version: number; readonly digest: string }[];
}

/** To a worker; `connection` travels with the socket. */
export type ToWorker =
  | { readonly type: 'start'; readonly settings: ServingSettings; readonly threads: number }
  | { readonly type: 'connection'; readonly listener: 'rest' | 'grpc'; readonly id: number }
  | { readonly type: 'drain' }
  | { readonly type: 'flush'; readonly id: number }
  | { readonly type: 'metrics'; readonly id: number }
  | { readonly type: 'feedback-stored'; readonly id: number; readonly feedbackId: string }
  | {
      readonly type: 'feedback-refused';
      readonly id: number;
      readonly code: ServingErrorCode;
      readonly message: string;
    }
  | { readonly type: 'console-stats'; readonly id: number; readonly stats: unknown }
  | { readonly type: 'totals'; readonly id: number; readonly metrics: MetricsSnapshot }
  | {
      readonly type: 'controlled';
      readonly id: number;
      readonly refusal?: { code: ServingErrorCode; message: string };
    };

/** From a worker. */
export type FromWorker =
  | { readonly type: 'ready'; readonly models: readonly LoadedVersions[] }
  | { readonly type: 'failed'; readonly code: ServingErrorCode; readonly message: string }
  | { readonly type: 'predictions'; readonly records: readonly PredictionRecord[] }
  | { readonly type: 'flushed'; readonly id: number }
  | { readonly type: 'taken'; readonly id: number }
  | { readonly type: 'metrics'; readonly id: number; readonly metrics: MetricsSnapshot }
  | {
      readonly type: 'feedback';
      readonly id: number;
      readonly model: string;
      readonly request: FeedbackRequest;
    }
  | { readonly type: 'console-stats'; readonly id: number }
  | { readonly type: 'totals'; readonly id: number }
  | {
      readonly type: 'control';
      readonly id: number;
      readonly action: 'load' | 'unload';
      readonly model: string;
    };
