// A thread does not get the loader of the process that starts it.
import { register } from 'tsx/esm/api';

register();
await import('./embedded-thread.ts');
