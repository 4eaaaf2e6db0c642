/** Where `name` is found from `path`, as Node looks for it: the nearest node_modules wins. */
function locate(packages, path, name) {
  for (let folder = path; ; ) {
    const candidate = folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
    if (candidate in packages) return candidate;
    if (folder === '') return undefined;
    folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')));
  }
}

/** The part of a lockfile that a smaller package.json needs: the same versions with the same hashes. */
export function closure(lock, manifest) {
  const { packages } = lock;
  const found = new Set();
  const visit = (path, names) => {
    for (const name of names) {
      const there = locate(packages, path, name);
      if (there === undefined || found.has(there)) continue;
      found.add(there);
      const { dependencies, optionalDependencies, peerDependencies } = packages[there];
      visit(there, Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies }));
    }
  };
  visit('', Object.keys(manifest.dependencies));
  const { name, version, license, dependencies } = manifest;
  const kept = Object.fromEntries([...found].sort().map((path) => [path, packages[path]]));
  return { ...lock, packages: { '': { name, version, license, dependencies }, ...kept } };
}
