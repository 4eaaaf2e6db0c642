import { resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { convert, profileOf } from '../../conversion/index.ts';
import { runsFor } from '../../conversion/verify/profile.ts';

describe('a profile', () => {
  it('is measured for the very version, batch by batch, and says on what', async () => {
    const conversion = await convert(resolve('samples/digits/model.h5'), { method: 'none' });
    const { digest, sizeBytes, inputElements, devices } = await profileOf(conversion);
    expect({ digest, sizeBytes, inputElements }).toEqual({
      digest: conversion.digest,
      sizeBytes: conversion.manifest.artifact.model.sizeBytes,
      inputElements: 784,
    });
    const [device] = devices;
    expect(device).toMatchObject({ executionProvider: 'cpu', threads: 1 });
    expect(device!.latency.map(({ batch }) => batch)).toEqual([1, 2, 4, 8, 16, 32, 64]);
    for (const { p50Ms, p95Ms, p99Ms, runs } of device!.latency) {
      expect(p50Ms).toBeGreaterThan(0);
      expect(p95Ms).toBeGreaterThanOrEqual(p50Ms);
      expect(p99Ms).toBeGreaterThanOrEqual(p95Ms);
      expect(runs).toBeGreaterThan(1);
    }
    expect(device!.memoryBytes).toBeGreaterThanOrEqual(sizeBytes);
  });

  it('is measured as the service runs the model: row by row where the rows of a run share a scale', async () => {
    const shapes = async (method: string) => {
      const { manifest } = await convert(resolve('samples/digits/model.h5'), { method });
      return runsFor(manifest, 3).map((feeds) => Object.values(feeds).map(({ dims }) => dims));
    };
    expect(await shapes('none')).toEqual([[[3, 784]]]);
    expect(await shapes('dynamic-int8')).toEqual([[[1, 784]], [[1, 784]], [[1, 784]]]);
  });
});
