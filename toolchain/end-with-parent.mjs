// For what the Pulumi engine starts: an engine that is killed ends none of it, and nobody else would.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) process.exit(1);
}, 1000).unref();
