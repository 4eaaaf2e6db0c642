import { type ConvertOptions, costOf } from '../../conversion/index.ts';
import { conversionArgs, conversionFiles } from '../conversion/conversion-args.ts';

/**
 * What the settings of a model, or the inputs of its resource, mean to the converter.
 * @param values texts by their conversionArgs; what is missing keeps its default
 * @param absolute a path of the settings on this machine
 * @throws ConversionError CONVERSION_BAD_OPTION for a budget that is none
 */
export function conversionOptions(
  values: Readonly<Record<string, unknown>>,
  absolute: (path: string) => string,
): ConvertOptions {
  const isFile = (key: string) => (conversionFiles as readonly string[]).includes(key);
  const meant = (key: string, value: string) =>
    key === 'budget' ? costOf(value) : isFile(key) ? absolute(value) : value;
  const given = conversionArgs.filter((key) => typeof values[key] === 'string');
  return Object.fromEntries(given.map((key) => [key, meant(key, values[key] as string)]));
}
