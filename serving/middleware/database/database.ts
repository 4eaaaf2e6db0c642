/** A row as the driver gives it. */
export type Row = Readonly<Record<string, unknown>>;

/** SQL on Postgres: embedded (PGlite) or a server (pg). The same statements run on both. */
export interface Database {
  query(sql: string, parameters?: readonly unknown[]): Promise<readonly Row[]>;
  /** Several statements, without parameters; the rows of the last. */
  script(sql: string): Promise<readonly Row[]>;
  /** Everything that `work` does is committed together, or not at all. */
  transaction<T>(work: (query: Database['query']) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}
