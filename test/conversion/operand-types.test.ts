import { expect, it } from '@jest/globals';
import { withTypedOperands } from '../../conversion/readers/operand-types.ts';

const modelOf = (nodes: string) => `{"config": {"rate": 1.0, "inbound_nodes":  ${nodes}, "mean": 2.0}}`;
const operandsOf = (text: string) =>
  (JSON.parse(text) as { config: { inbound_nodes: [{ args: unknown[]; kwargs: object }] } }).config
    .inbound_nodes[0];
const float = (value: number) => ({ class_name: '__tensor__', config: { value, dtype: 'float32' } });

it('whole numbers that Python wrote as floats are told from others among the operands of a call, and nowhere else', () => {
  const args =
    '[{"class_name": "\\"[1.0", "config": {"value": [3.0]}}, 1000.0, 1000, 0.5, 1e+22, -0.0, "7.0"]';
  const written = withTypedOperands(modelOf(`[{"args": ${args}, "kwargs": {"x2": 2E0, "axis": [1.0]}}]`));
  expect(operandsOf(written)).toEqual({
    args: [
      { class_name: '"[1.0', config: { value: [3] } },
      float(1000),
      1000,
      0.5,
      float(1e22),
      float(0),
      '7.0',
    ],
    kwargs: { x2: float(2), axis: [1] },
  });
  expect(written).toMatch(/"rate": 1\.0, .*"mean": 2\.0/);
});

it.each([
  modelOf('[[["x", 0, 0, {"y": 2.0}]]]'),
  modelOf('[["x", 0, 0, {"y": 2.0}]]'),
  modelOf('[]'),
  '{"name": "\\"inbound_nodes\\": [{\\"args\\": [1.0]}]"}',
  '{"inbound_nodes": [{"args": [1.0, "',
])('what is no call of Keras 3 stays as it is: %s', (text) => {
  expect(withTypedOperands(text)).toBe(text);
});

it('a config without an end, however often it begins, takes the time of its length', () => {
  const text = '"inbound_nodes": [{"args": [1.0, '.repeat(2 ** 18);
  expect(withTypedOperands(text)).toBe(text);
  const deep = `"inbound_nodes": [${'['.repeat(2 ** 20)}${'[]'.repeat(2 ** 20)}`;
  expect(withTypedOperands(deep)).toBe(deep);
});
