/** A word of a POSIX shell's command line, in quotes. */
export const inQuotes = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

/** A word of a POSIX shell's command line, in quotes where it needs them. */
export const shellWord = (word: string): string => (/^[\w@./:-]+$/.test(word) ? word : inQuotes(word));
