/** The published contract of a converted model: what `conversion` writes and `serving` and `infra` read. */
export * from './manifest.ts';
export * from './profile.ts';
export * from './tensor-spec.ts';
