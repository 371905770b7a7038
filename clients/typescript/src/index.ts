/** The stores behind a dry-run gateway with the interfaces of their bindings. See the README. */

import { Connection, type ConnectionOptions } from './connection.js';
import { database } from './d1.js';
import { namespace } from './kv.js';
import { bucket } from './r2.js';
import type { Bindings, DefaultStores, Stores } from './types.js';

export type { ConnectionOptions, Fetcher } from './connection.js';
export { GatewayError } from './errors.js';
export { type GatewayRun, type RunStatus, runOf } from './run.js';
export type { Bindings, DefaultStores, GatewayD1, GatewayD1Session, GatewayD1Statement, GatewayKV, GatewayR2, GatewayR2Object, GatewayR2ObjectBody, StoreKind, Stores } from './types.js';

export interface GatewayOptions<S extends Stores = DefaultStores> extends ConnectionOptions {
  /** Binding name → kind of store. Default: `{ DB: 'd1', CACHE: 'kv', FILES: 'r2' }`. */
  stores: S;
}

const defaults: DefaultStores = { DB: 'd1', CACHE: 'kv', FILES: 'r2' };
const makers = { d1: database, kv: namespace, r2: bucket };

/** The stores of a run, by the names of their bindings. Nothing is sent before the first call. */
export function gateway(options: ConnectionOptions & { stores?: undefined }): Bindings<DefaultStores>;
export function gateway<const S extends Stores>(options: GatewayOptions<S>): Bindings<S>;
export function gateway(options: ConnectionOptions & { stores?: Stores | undefined }): Record<string, unknown> {
  const connection = new Connection(options);
  const made = Object.entries(options.stores ?? defaults).map(([name, kind]) => {
    if (!Object.hasOwn(makers, kind)) throw new TypeError(`stores.${name} is neither 'd1', 'kv' nor 'r2'`);
    return [name, makers[kind](connection, name)];
  });
  return Object.fromEntries(made);
}
