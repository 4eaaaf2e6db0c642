import * as z from 'zod';
import { ports } from '../../serving/contract/index.ts';
import type { SettingRow } from '../setting-row.ts';

const port = (byDefault: number) => z.int().min(1).max(65535).default(byDefault);

/** Keys of platform local: one server on this machine. */
export const localSettings = {
  restPort: {
    schema: port(ports.rest),
    help: 'Loopback port of the REST API and the console.',
    change: 'the listener moves; requests in flight are finished',
  },
  grpcPort: {
    schema: port(ports.grpc),
    help: 'Loopback port of gRPC.',
    change: 'the listener moves; requests in flight are finished',
  },
  managementPort: {
    schema: port(ports.management),
    help: 'Loopback port of health and metrics.',
    change: 'the listener moves',
  },
  workers: {
    schema: z.int().min(0).max(64).default(0),
    help: 'Worker processes; 0 = one for each core, at most 4.',
    change: 'zero-drop reload',
  },
} as const satisfies Record<string, SettingRow>;
