// D1, with the interface, the values and the errors of its binding.

import type { Connection } from './connection.js';
import { isRefusal, unsupported } from './errors.js';
import type { D1BatchResult, D1ExecResult, GatewayD1, GatewayD1Session, GatewayD1Statement } from './types.js';

/** Rows as arrays: objects would lose a column whose name comes twice. */
interface Answer {
  success: true;
  meta: D1BatchResult['meta'];
  results: { columns: string[]; rows: unknown[][] };
}

interface Query {
  sql: string;
  params?: unknown[];
}

const failed = (kind: string, why: string): Error => new Error(`${kind}: ${why}`, { cause: new Error(why) });

class Session implements GatewayD1Session {
  readonly #connection: Connection;
  readonly #path: string;
  readonly #bookmark: string | null;

  constructor(connection: Connection, store: string, bookmark: string | null) {
    this.#connection = connection;
    this.#path = `d1/database/${encodeURIComponent(store)}/raw`;
    this.#bookmark = bookmark;
  }

  prepare(query: string): Statement {
    return new Statement(this, String(query), []);
  }

  async batch<T = unknown>(statements: GatewayD1Statement[]): Promise<D1BatchResult<T>[]> {
    const queries = Array.from(statements, (statement) => {
      if (statement instanceof Statement) return statement.query;
      throw new TypeError('batch() takes statements that were prepared by the same gateway');
    });
    return (await this.ask({ batch: queries }).catch(sqlError)).map(asObjects<T>);
  }

  getBookmark(): string | null {
    return this.#bookmark;
  }

  // A text on its own may hold several statements, an entry of a batch holds one.
  async ask(json: { batch: Query[] } | { sql: string }): Promise<Answer[]> {
    return (await this.#connection.envelope<Answer[]>('POST', this.#path, { json })).result;
  }
}

class Database implements GatewayD1 {
  readonly #connection: Connection;
  readonly #store: string;
  readonly #session: Session;

  constructor(connection: Connection, store: string) {
    this.#connection = connection;
    this.#store = store;
    this.#session = new Session(connection, store, null);
  }

  prepare(query: string): Statement {
    return this.#session.prepare(query);
  }

  batch<T = unknown>(statements: GatewayD1Statement[]): Promise<D1BatchResult<T>[]> {
    return this.#session.batch(statements);
  }

  /** As the binding: one statement a line, all in one transaction. A single line may hold several. */
  async exec(query: string): Promise<D1ExecResult> {
    const lines = query.trim().split('\n');
    const queries = lines.filter((line) => !/^\s*(--.*)?$/.test(line)).map((sql) => ({ sql }));
    const isOneLine = lines.length === 1;
    try {
      const answers = await this.#session.ask(isOneLine ? { sql: query } : { batch: queries });
      return { count: isOneLine ? 1 : answers.length, duration: answers.reduce((sum, { meta }) => sum + meta.duration, 0) };
    } catch (error) {
      // D1 does not tell the line either, and its binding always names the first.
      if (isRefusal(error, 'sql_error')) throw failed('D1_EXEC_ERROR', `Error in line 1: ${lines[0]}: ${error.detail}`);
      throw error;
    }
  }

  /** The run already sees its own writes in order, so a session adds nothing but its interface. */
  withSession(constraintOrBookmark?: string): Session {
    const text = constraintOrBookmark?.trim() ?? '';
    return new Session(this.#connection, this.#store, ['', 'first-primary', 'first-unconstrained'].includes(text) ? null : text);
  }

  async dump(): Promise<ArrayBuffer> {
    throw unsupported('The gateway does not offer dump(), which only ever worked for alpha databases', 'Read the rows that you need with SELECT.');
  }
}

class Statement implements GatewayD1Statement {
  readonly #session: Session;
  readonly query: Query;

  constructor(session: Session, sql: string, params: unknown[]) {
    this.#session = session;
    this.query = { sql, params };
  }

  bind(...values: unknown[]): Statement {
    return new Statement(this.#session, this.query.sql, values.map(parameter));
  }

  async first<T = unknown>(columnName: string): Promise<T | null>;
  async first<T = Record<string, unknown>>(): Promise<T | null>;
  async first(columnName?: string): Promise<unknown> {
    const [row] = (await this.all()).results;
    if (row === undefined) return null;
    if (columnName === undefined) return row;
    if (row[columnName] === undefined) {
      throw new Error(`D1_COLUMN_NOTFOUND: Column not found (${columnName})`, { cause: new Error('Column not found') });
    }
    return row[columnName];
  }

  async run<T = Record<string, unknown>>(): Promise<D1BatchResult<T>> {
    return this.all<T>();
  }

  async all<T = Record<string, unknown>>(): Promise<D1BatchResult<T>> {
    return asObjects<T>(await this.#answer());
  }

  async raw<T = unknown[]>(options: { columnNames: true }): Promise<[string[], ...T[]]>;
  async raw<T = unknown[]>(options?: { columnNames?: false }): Promise<T[]>;
  async raw(options?: { columnNames?: boolean }): Promise<unknown[]> {
    const { columns, rows } = (await this.#answer()).results;
    return options?.columnNames ? [columns, ...rows] : rows;
  }

  async #answer(): Promise<Answer> {
    const [answer] = await this.#session.ask({ batch: [this.query] }).catch(sqlError);
    return answer!;
  }
}

/** A value as D1 takes it, by the rules of the binding. */
function parameter(value: unknown): unknown {
  if (typeof value === 'number' || typeof value === 'string' || value === null) return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'object') {
    if (Array.isArray(value) && value.every((byte) => typeof byte === 'number' && byte >= 0 && byte < 256)) return value;
    if (value instanceof ArrayBuffer) return Array.from(new Uint8Array(value));
    // The binding reads a DataView as an empty list and stores an empty BLOB.
    if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return Array.from(value as Uint8Array);
  }
  throw failed('D1_TYPE_ERROR', `Type '${typeof value}' not supported for value '${value}'`);
}

function asObjects<T>({ success, meta, results: { columns, rows } }: Answer): D1BatchResult<T> {
  return { success, meta, results: rows.map((row) => Object.fromEntries(row.map((cell, index) => [columns[index], cell])) as T) };
}

function sqlError(error: unknown): never {
  throw isRefusal(error, 'sql_error') ? failed('D1_ERROR', error.detail) : error;
}

export const database = (connection: Connection, store: string): GatewayD1 => new Database(connection, store);
