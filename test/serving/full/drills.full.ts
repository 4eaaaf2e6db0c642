/** 50 reloads, drains and kills under open-loop load: `npm run test:full -- serving`. */
import { fullCount } from '../../support/full-count.ts';
import { checkKills, type Drill, drains, kills, reloads } from './drills.ts';

const drills = [() => reloads(50), () => drains(10), () => kills(30)];

await fullCount<Drill>(import.meta.url, {
  title: 'Reloads, drains, kills',
  what: 'Open-loop load, each answer checked against its own input. Reloads alternate two versions and drains are SIGTERM: nothing may fail or be wrong. A worker is killed about every second: each kill may lose what was in flight on that worker, at most one request a connection. Requests that find the port closed after SIGTERM are left out: they were never taken. Where the calm p99 is that of a machine with more work than cores, it is no measure for the p99 during reloads.',
  chunks: drills.length,
  run: (chunk) => (drills[chunk] as () => Promise<Drill>)(),
  report(all) {
    const [reloading, draining, killing] = all as [Drill, Drill, Drill];
    for (const { faults } of [reloading, draining])
      if (Object.keys(faults).length > 0) throw new Error(JSON.stringify(faults));
    return {
      reloads: reloading.times,
      'answers during reloads': reloading.answers,
      'failed or wrong during reloads': 0,
      'p99 before reloads, ms': reloading.calmP99Ms.toFixed(1),
      'p99 during reloads, ms': reloading.p99Ms.toFixed(1),
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
