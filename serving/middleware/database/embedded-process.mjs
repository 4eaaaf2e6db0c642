// Whoever starts this process may not have a loader that it could hand on.
import { register } from 'tsx/esm/api';

register();
await import('./embedded-process.ts');
