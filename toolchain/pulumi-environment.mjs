// What the Pulumi CLI needs in its environment, in one place: `npx pulumi`, `modelmile up`, `modelmile env` and the tests use it.
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout that this file belongs to. */
export const checkout = dirname(dirname(fileURLToPath(import.meta.url)));

/** Where modelmile keeps what it built or fetched, outside every checkout. */
export function cacheFolder(env = process.env) {
  if (env.MODELMILE_CACHE) return env.MODELMILE_CACHE;
  const base =
    env.XDG_CACHE_HOME ||
    (process.platform === 'darwin' ? join(homedir(), 'Library', 'Caches') : join(homedir(), '.cache'));
  return join(base, 'modelmile');
}

/** What a checkout writes: state, conversions, the dev server. `MODELMILE_HOME` moves it. */
export const homeFolder = (env = process.env) => resolve(env.MODELMILE_HOME || join(checkout, '.modelmile'));

/** A folder as Pulumi's backend of files is told it: a URL, in which these would end the path, or begin a character. */
export const backendUrl = (folder) => `file://${folder.replace(/[%?#]/g, encodeURIComponent)}`;

/** The folder of a backend of files; undefined of any other backend. */
export function backendFolder(url = '') {
  if (!url.startsWith('file://')) return undefined;
  const path = decodeURIComponent(url.slice('file://'.length).replace(/[?#].*/s, ''));
  // As Pulumi reads it: `file://~` is what `pulumi login --local` means.
  return resolve(checkout, path.replace(/^~/, homedir()));
}

/** The stack that a Pulumi command line names: -s, --stack, PULUMI_STACK; the dev stack where it names none. */
export function stackOf(args, env = process.env) {
  for (let i = 0; i < args.length; i++) {
    const [name, value] = args[i].split('=', 2);
    if (name === '-s' || name === '--stack') return value ?? args[i + 1];
    if (args[i] === '--') break;
  }
  const named =
    args[0] === 'stack' && ['select', 'init', 'rm'].includes(args[1])
      ? args.slice(2).find((a) => !a.startsWith('-'))
      : undefined;
  return named ?? env.PULUMI_STACK ?? 'dev';
}

/**
 * Additions to the environment for a Pulumi command on a stack (contract 10). Nothing that the user set is overridden. The dev stack
 * gets a state folder in the checkout and an empty passphrase, for it holds no secrets; other stacks get neither.
 * @param binFolder folder of the pulumi binary and its language host
 */
export function pulumiEnvironment(stack, binFolder, env = process.env) {
  const additions = {
    PULUMI_HOME: join(cacheFolder(env), 'pulumi-home'),
    PULUMI_SKIP_UPDATE_CHECK: 'true',
    MODELMILE_CHECKOUT: checkout,
  };
  if (stack === 'dev') {
    // It needs none: a look for one would end after a minute of retries where there is no internet.
    additions.PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION = 'true';
    additions.PULUMI_BACKEND_URL = backendUrl(join(homeFolder(env), 'state'));
    if (env.PULUMI_CONFIG_PASSPHRASE_FILE === undefined) additions.PULUMI_CONFIG_PASSPHRASE = '';
  }
  const unset = Object.entries(additions).filter(([name]) => env[name] === undefined);
  const path = (env.PATH ?? '').split(delimiter).includes(binFolder)
    ? env.PATH
    : `${binFolder}${delimiter}${env.PATH ?? ''}`;
  // Relative, it is meant from here: program and provider run in folders of their own.
  const home = env.MODELMILE_HOME ? { MODELMILE_HOME: homeFolder(env) } : {};
  return { ...Object.fromEntries(unset), ...home, PATH: path };
}
