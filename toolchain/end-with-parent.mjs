// For what the Pulumi engine starts: an engine that is killed ends none of it, and nobody else would.
import { connect } from 'node:net';

const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) process.exit(1);
}, 1000).unref();

// Killed before this was read, the parent above is another already; nobody listens at the address that the engine gave.
const engine = process.argv.findLast((argument) => /^127\.0\.0\.1:\d+$/.test(argument));
if (engine !== undefined) {
  const [host, port] = engine.split(':');
  const probe = connect(Number(port), host, () => probe.destroy());
  probe.on('error', () => process.exit(1)).unref();
}
