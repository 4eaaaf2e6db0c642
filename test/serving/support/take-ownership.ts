import { takeOwnership } from '../../../serving/supervisor/ownership.ts';

// Tries to own a state folder when its parent says so, tells how that went, and stays.
process.once('message', () => {
  takeOwnership(process.argv[2] as string).then(
    () => process.send?.('mine'),
    (error) => process.send?.(error.code),
  );
});
setInterval(() => {}, 1000);
process.send?.('ready');
