/** The published contract of the service: what infra, training and the command line may rely on. */
export * from './control.ts';
export * from './control-client.ts';
export * from './home.ts';
export * from './keys.ts';
export * from './metrics.ts';
export * from './monitoring.ts';
export * from './ports.ts';
export * from './processes.ts';
export * from './records.ts';
export * from './settings.ts';
