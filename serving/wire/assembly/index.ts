/** The scanner and the writer; built by ../build.ts into ../generated/. */
export * from './scan';
export * from './write';
