import { chooseMethod } from './auto.ts';
import { type Conversion, type ConvertOptions, chosenByMeasurement, convertOnce } from './convert-once.ts';

/**
 * Converts a trained model behind the parity gate. Nothing is written; the same source and options give the same bytes, but for method
 * `auto`, which measures.
 * @throws ConversionError for anything that is damaged, not supported, or does not answer as the source does.
 */
export async function convert(sourcePath: string, options: ConvertOptions = {}): Promise<Conversion> {
  if (options.method !== chosenByMeasurement) return convertOnce(sourcePath, options);
  return (await chooseMethod(sourcePath, options)).chosen.conversion;
}
