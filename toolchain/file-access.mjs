// What a machine's file system refuses, as a sentence with the way out.
import { userInfo } from 'node:os';

const reasons = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space is left',
};

/** @returns undefined where the error is of another kind */
export function fileAccessRefusal(error) {
  const reason = reasons[error?.code];
  if (reason === undefined || typeof error.path !== 'string') return undefined;
  const way =
    error.code === 'ENOSPC'
      ? 'Make room there'
      : `Give the user '${userInfo().username}' the right to write there`;
  return (
    `Cannot write ${error.path}: ${reason}. ${way}, or choose other folders: ` +
    'MODELMILE_HOME=<folder> for what a checkout writes, MODELMILE_CACHE=<folder> for what is built once for all of them.'
  );
}
