import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const installed = fileURLToPath(new URL('../../../.modelmile/reference/bin/python', import.meta.url));
const candidates = [process.env['MODELMILE_PYTHON'], installed, 'python3'].filter(
  (path) => path !== undefined,
);

/** A Python that has all the packages; undefined on machines without one, where what needs them is skipped. */
export function pythonWith(...packages: string[]): string | undefined {
  return candidates.find(
    (python) =>
      spawnSync(
        python,
        [
          '-c',
          'import importlib.util, sys; sys.exit(any(importlib.util.find_spec(name) is None for name in sys.argv[1:]))',
          ...packages,
        ],
        { stdio: 'ignore' },
      ).status === 0,
  );
}

/** What is told where there is none. */
export const installHint =
  'the frameworks to compare with are not here; test/conversion/reference/install.sh installs them (2.5 GB)';
