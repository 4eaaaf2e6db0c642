import { beSoleProcessOf } from '../../../serving/sole-process.ts';

// Tries to be the only process of each folder that its parent names, tells how that went, and stays.
process.on('message', (folder: string) => {
  beSoleProcessOf(folder, 500).then(
    () => process.send?.('sole'),
    (error) => process.send?.(error.name),
  );
});
process.send?.('ready');
