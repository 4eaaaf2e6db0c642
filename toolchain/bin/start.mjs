#!/usr/bin/env node
// `npm start`: the main job on a fresh checkout. It is the command `modelmile start`, which the shim installs first.
process.argv.splice(2, 0, 'start');
await import('./modelmile.mjs');
