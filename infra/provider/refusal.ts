import { conversionFiles } from '../conversion/conversion-args.ts';
import type { CheckFailure, Props } from './resource-kind.ts';

/** Which input a refusal is about, where its code alone tells. */
const propertyOf: Readonly<Record<string, string>> = {
  CONVERSION_BAD_OPTION: 'method',
  CONVERSION_UNSUPPORTED_METHOD: 'method',
  CONVERSION_BUDGET_EXCEEDED: 'budget',
  CONVERSION_BAD_CUSTOM: 'custom',
  CONVERSION_BAD_SAMPLES: 'labels',
};

/**
 * A refusal, beside the input that it is about; a file is told by its path, which the refusal begins with.
 * @param absolute a path of the settings on this machine
 */
export function refusalOf(error: unknown, inputs: Props, absolute: (path: string) => string): CheckFailure {
  const { code, message, stack } = error as Error & { code?: string };
  const file = conversionFiles.find((name) => {
    const path = inputs[name];
    return typeof path === 'string' && message.startsWith(`${absolute(path)}: `);
  });
  return {
    property: file ?? propertyOf[code ?? ''] ?? 'source',
    reason: code === undefined ? (stack ?? message) : message,
  };
}
