// The test's side of the back door: one small client per store.

import { createHash } from 'node:crypto';

export class Backdoor {
  #stores;
  #send;

  /** @param send  (path, options) => answer of the back door's socket, see client.mjs */
  constructor(stores, send) {
    this.#stores = stores;
    this.#send = send;
  }

  /** { db, control, cache, flags, files }: the bindings in small letters. */
  clients() {
    return Object.fromEntries(this.#stores.map(({ binding, kind }) => {
      return [binding.toLowerCase(), clients[kind]((operation, ...input) => this.#call(binding, `${kind}_${operation}`, input))];
    }));
  }

  /** Every schema object, row, key and object of the targets as one line each, for a readable difference. */
  async contents() {
    const lines = [];
    for (const { binding, kind } of this.#stores.filter(({ target }) => target)) {
      lines.push(...(await this.#call(binding, `${kind}_contents`, [])).map((line) => `${binding} ${line}`));
    }
    return lines;
  }

  async digest() {
    return createHash('sha256').update((await this.contents()).join('\n')).digest('hex');
  }

  async #call(store, operation, input) {
    const answer = await this.#send('/', { method: 'POST', json: { store, operation, input: input.map(encode) } });
    if (answer.json?.error !== undefined) throw new Error(`${store} ${operation}: ${answer.json.error}`);
    if (answer.status !== 200) throw new Error(`${store} ${operation}: ${answer.status} ${answer.text}`);
    return decode(answer.json.result);
  }
}

const clients = {
  d1: (call) => ({
    /** Rows as objects. Select quote(x) where an exact value matters: numbers arrive as JavaScript's. */
    all: (sql, params = []) => call('all', sql, params),
    /** Any number of statements, in one transaction. */
    exec: (sql) => call('exec', sql),
  }),
  kv: (call) => ({
    get: (key) => call('get', key, 'text'),
    getBytes: (key) => call('get', key, 'arrayBuffer'),
    getWithMetadata: (key) => call('getWithMetadata', key, 'text'),
    put: (key, value, options) => call('put', key, value, options),
    delete: (key) => call('delete', key),
    /** Every key, as { name, expiration, metadata }. */
    list: (options = {}) => call('list', options),
  }),
  r2: (call) => ({
    /** Null, or { key, bytes, size, etag, version, uploaded, httpMetadata, customMetadata, checksums }. */
    get: (key) => call('get', key),
    head: (key) => call('head', key),
    put: (key, value, options) => call('put', key, value, options),
    delete: (keys) => call('delete', keys),
    list: (options = {}) => call('list', options),
  }),
};

function encode(value) {
  if (value === undefined) return null;
  if (value === null || typeof value !== 'object') return value;
  if (ArrayBuffer.isView(value)) return { $bytes: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') };
  if (value instanceof ArrayBuffer) return { $bytes: Buffer.from(value).toString('base64') };
  if (value instanceof Date) return { $date: value.toISOString() };
  if (Array.isArray(value)) return value.map(encode);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, encode(inner)]));
}

function decode(value) {
  if (value === null || typeof value !== 'object') return value;
  if (typeof value.$bytes === 'string') return Buffer.from(value.$bytes, 'base64');
  if (typeof value.$date === 'string') return new Date(value.$date);
  if (Array.isArray(value)) return value.map(decode);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, decode(inner)]));
}
