/** 50 reloads, drains and kills under open-loop load: `npm run test:full -- serving`. */
import { fullCount } from '../../support/full-count.ts';
import { checkKills, type Drill, drains, kills, reloads } from './drills.ts';

const reloadParts = 5;
const drills = [
  ...Array.from({ length: reloadParts }, () => () => reloads(10)),
  () => drains(10),
  () => kills(30),
];

await fullCount<Drill>(import.meta.url, {
  title: 'Reloads, drains, kills',
  what: 'Open-loop load, each answer checked against its own input. Reloads alternate two versions and drains are SIGTERM: nothing may fail or be wrong. A worker is killed about every second: each kill may lose what was in flight on that worker, at most one request a connection. Requests that find the port closed after SIGTERM are left out: they were never taken. Reloads are in parts of ten, each with a server of its own and its own calm p99 before. Of all answers during reloads at most one in a hundred may take more than twice the calm p99 of its server.',
  chunks: drills.length,
  run: (chunk) => (drills[chunk] as () => Promise<Drill>)(),
  report(all) {
    const reloading = all.slice(0, reloadParts);
    const [draining, killing] = all.slice(reloadParts) as [Drill, Drill];
    for (const { faults } of [...reloading, draining])
      if (Object.keys(faults).length > 0) throw new Error(JSON.stringify(faults));
    const sum = (of: (drill: Drill) => number) => reloading.reduce((total, drill) => total + of(drill), 0);
    const slowShare = sum(({ slow }) => slow) / sum(({ answers }) => answers);
    if (slowShare > 0.01) throw new Error(`${slowShare} of the answers took more than twice the calm p99`);
    const each = (of: (drill: Drill) => number) => reloading.map((drill) => of(drill).toFixed(1)).join(', ');
    return {
      reloads: sum(({ times }) => times),
      'answers during reloads': sum(({ answers }) => answers),
      'failed or wrong during reloads': 0,
      'p99 before reloads, ms': each(({ calmP99Ms }) => calmP99Ms),
      'p99 during reloads, ms': each(({ p99Ms }) => p99Ms),
      'of that before': each(({ calmP99Ms, p99Ms }) => p99Ms / calmP99Ms),
      'of all, slower than twice the calm p99': `${(100 * slowShare).toFixed(2)} %`,
      drains: draining.times,
      'answers around drains': draining.answers,
      'failed or wrong around drains': 0,
      kills: killing.times,
      'answers around kills': killing.answers,
      'lost with killed workers': checkKills(killing),
      'wrong around kills': 0,
    };
  },
});
