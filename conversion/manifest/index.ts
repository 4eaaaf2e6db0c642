/** The published contract of a converted model: what `conversion` writes and `serving` and `infra` read. */
export * from './champion.ts';
export * from './manifest.ts';
export * from './processing.ts';
export * from './profile.ts';
export * from './signature.ts';
export * from './tensor-spec.ts';
