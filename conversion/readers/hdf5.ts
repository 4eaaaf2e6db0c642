import type H5wasm from 'h5wasm/node';

export type Group = InstanceType<typeof H5wasm.Group>;
export type Dataset = InstanceType<typeof H5wasm.Dataset>;

/** The HDF5 library, loaded where it is needed: most commands need none. */
export async function hdf5(): Promise<typeof H5wasm> {
  const { default: h5wasm } = await import('h5wasm/node');
  const { activate_throwing_error_handler: throwErrors } = await h5wasm.ready;
  // Without it the library prints to standard error and goes on with an invalid handle.
  throwErrors();
  return h5wasm;
}
