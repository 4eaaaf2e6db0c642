import { ConversionError } from './errors.ts';

/** What a lossy method may cost: answers off by a share of the largest, or percentage points of accuracy on the labelled set. */
export type Cost = { readonly relativeError: number } | { readonly accuracyPoints: number };

/** `error:0.05`, `accuracy:0.5`. @throws ConversionError CONVERSION_BAD_OPTION */
export function costOf(text: string): Cost {
  const [kind, value] = text.split(':');
  const size = Number(value);
  if (value !== undefined && value !== '' && size >= 0 && size < Number.POSITIVE_INFINITY) {
    if (kind === 'error') return { relativeError: size };
    if (kind === 'accuracy') return { accuracyPoints: size };
  }
  throw new ConversionError('CONVERSION_BAD_OPTION', `budget '${text}': as in error:0.05 or accuracy:0.5`);
}
