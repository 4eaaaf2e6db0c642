/** Slow clients, 1 GB bodies, 10,000 idle connections: `npm run test:full -- serving`. */
import { fullCount } from '../../support/full-count.ts';
import { checkHostility, type Hostility, idleConnections, largeBodies, slowClients } from './hostile.ts';

/** What the worker may hold for them, MiB: its limits on bodies are 4 x 64 MiB. */
const attacks: readonly [string, number, () => Promise<Hostility>][] = [
  ['slow clients', 150, () => slowClients(1000, 40)],
  ['bodies of 1 GB', 300, () => largeBodies(10, 1e9)],
  ['idle connections', 300, () => idleConnections(10_000, 20)],
];

await fullCount<Hostility>(import.meta.url, {
  title: 'Hostile clients',
  what: 'One worker, 50 requests a second of others meanwhile, each answer checked: none may fail. Half of the slow clients never end their head, half their body.',
  chunks: attacks.length,
  run: (chunk) => (attacks[chunk] as (typeof attacks)[number])[2](),
  report: (all) =>
    Object.fromEntries(
      all.map((seen, index) => {
        const [name, maxGrowthMiB] = attacks[index] as (typeof attacks)[number];
        checkHostility(seen, maxGrowthMiB);
        return [
          name,
          `${seen.connections.toLocaleString('en-US')}: ${seen.note}; others: ${seen.answers} answers, 0 failed, slowest ${seen.worstMs.toFixed(0)} ms; worker grew by at most ${seen.grewMiB.toFixed(0)} MiB`,
        ];
      }),
    ),
});
