import { InferenceSession, Tensor } from 'onnxruntime-node';

/** onnxruntime-node alone: rows per CPU second of each batch size, one thread, no server, the best of as many times as a server has. Prints JSON. */
const sizes = [1, 2, 4, 8, 16, 32, 64];
const times = Number(process.env['TIMES']);
const secondsEach = Number(process.env['SECONDS']);
const session = await InferenceSession.create(process.env['MODEL'] as string, {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  logSeverityLevel: 3,
});
const rates: Record<number, number> = {};
for (let time = 0; time < times; time++) {
  for (const size of sizes) {
    const x = new Tensor('float32', new Float32Array(size * 784).fill(0.5), [size, 784]);
    for (let warmUp = 0; warmUp < 20; warmUp++) await session.run({ x });
    const started = process.cpuUsage();
    const untilMs = performance.now() + secondsEach * 1000;
    let rows = 0;
    for (; performance.now() < untilMs; rows += size) await session.run({ x });
    const { user, system } = process.cpuUsage(started);
    rates[size] = Math.max(rates[size] ?? 0, (rows * 1e6) / (user + system));
  }
}
process.stdout.write(`${JSON.stringify(rates)}\n`);
