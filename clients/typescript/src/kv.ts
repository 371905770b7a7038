// KV, with the interface, the values and the errors of its binding.

import { bytesOf, concat, drain, isBehind, textOf, utf8 } from './bytes.js';
import type { Connection } from './connection.js';
import { isRefusal } from './errors.js';
import type { GatewayKV, KVGetType, KVListKey, KVListOptions, KVListResult, KVPutOptions } from './types.js';

type Options = KVGetType | { type?: KVGetType; cacheTtl?: number } | undefined;
interface Entry {
  value: unknown;
  metadata: unknown;
}

/** KV's REST API answers no shorter pages. */
const SHORTEST_PAGE = 10;
const MAX_KEY_BYTES = 512;

class Namespace {
  readonly #connection: Connection;
  readonly #root: string;

  constructor(connection: Connection, store: string) {
    this.#connection = connection;
    this.#root = `storage/kv/namespaces/${encodeURIComponent(store)}`;
  }

  async get(key: unknown, options?: Options): Promise<unknown> {
    if (Array.isArray(key)) return this.#several(key.map(String), options, false);
    const response = await this.#value(checkedKey('GET', key));
    return response === null ? null : decoded(response, options);
  }

  async getWithMetadata(key: unknown, options?: Options): Promise<unknown> {
    if (Array.isArray(key)) return this.#several(key.map(String), options, true);
    const path = checkedKey('GET', key);
    const response = await this.#value(path);
    if (response === null) return { value: null, metadata: null, cacheStatus: null };
    const metadata = response.headers.get('kv-metadata');
    return { value: await decoded(response, options), metadata: metadata === null ? null : JSON.parse(decodeURIComponent(metadata)), cacheStatus: null };
  }

  async put(key: unknown, value: unknown, options: KVPutOptions = {}): Promise<void> {
    const path = checkedKey('PUT', key);
    const bytes = await valueBytes(value);
    const asked = {
      query: { expiration: seconds(options.expiration), expiration_ttl: seconds(options.expirationTtl) },
      ...withMetadata(bytes, typeof value === 'string' ? 'text/plain;charset=UTF-8' : 'application/octet-stream', options.metadata),
    };
    await this.#connection.store('PUT', `${this.#root}/values/${path}`, asked);
  }

  async delete(key: unknown): Promise<void> {
    await this.#connection.store('DELETE', `${this.#root}/values/${checkedKey('DELETE', key)}`);
  }

  async list(options: KVListOptions = {}): Promise<KVListResult<unknown>> {
    const limit = Math.trunc(Number(options.limit ?? 0)) > 0 ? Math.trunc(Number(options.limit)) : 1_000;
    const keys: KVListKey<unknown>[] = [];
    for (let at = readCursor(options.cursor ?? undefined); ; ) {
      const page = await this.#page(options.prefix ?? undefined, Math.max(limit, SHORTEST_PAGE), at.page);
      const { after } = at;
      const unseen = after === undefined ? page.keys : page.keys.filter(({ name }) => isBehind(name, after));
      const room = limit - keys.length;
      keys.push(...unseen.slice(0, room));
      if (unseen.length > room) return more(keys, writeCursor({ page: at.page, after: keys.at(-1)!.name }));
      if (page.cursor === '') return { keys, list_complete: true, cacheStatus: null };
      if (keys.length === limit) return more(keys, page.cursor);
      // Only a page that was cut short by us is filled up; KV's own may be shorter than asked.
      if (limit >= SHORTEST_PAGE) return more(keys, page.cursor);
      at = { page: page.cursor };
    }
  }

  async #page(prefix: string | undefined, limit: number, cursor: string | undefined) {
    const query = { prefix, limit: String(limit), cursor };
    const { result, result_info: info } = await this.#connection.envelope<KVListKey<unknown>[], { cursor: string }>('GET', `${this.#root}/keys`, { query });
    return { keys: result, cursor: info?.cursor ?? '' };
  }

  async #value(path: string): Promise<Response | null> {
    return this.#connection.store('GET', `${this.#root}/values/${path}`).catch((error) => {
      if (isRefusal(error, 'key_not_found')) return null;
      throw error;
    });
  }

  async #several(keys: string[], options: Options, withMetadata: boolean): Promise<Map<string, unknown>> {
    const type = typeOf(options) ?? 'text';
    if (type !== 'text' && type !== 'json') throw bulkError(`"${type}" is not a valid type. Use "json" or "text"`);
    const { result } = await this.#connection.envelope<{ values: Record<string, Entry | null> }>('POST', `${this.#root}/bulk/get`, { json: { keys, withMetadata: true } });
    // The answer's own order is not that of the request.
    const values = new Map(Object.entries(result.values));
    return new Map(keys.map((key) => {
      const entry = values.get(key) ?? null;
      const value = entry === null || type === 'text' ? (entry?.value ?? null) : bulkJson(entry.value as string);
      return [key, value === null || !withMetadata ? value : { value, metadata: entry?.metadata ?? null }];
    }));
  }
}

/** The key as a part of a path, or the binding's own error about it. */
function checkedKey(method: string, key: unknown): string {
  const name = String(key).toWellFormed();
  if (name === '') throw new TypeError('Key name cannot be empty.');
  if (name === '.' || name === '..') throw new TypeError(`"${name}" is not allowed as a key name.`);
  const { length } = utf8(name);
  if (length > MAX_KEY_BYTES) throw new Error(`KV ${method} failed: 414 UTF-8 encoded length of ${length} exceeds key length limit of ${MAX_KEY_BYTES}.`);
  return encodeURIComponent(name);
}

const typeOf = (options: Options): KVGetType | undefined => (typeof options === 'object' && options !== null ? options.type : options);

async function decoded(response: Response, options: Options): Promise<unknown> {
  switch (typeOf(options) ?? 'text') {
    case 'text':
      return textOf(await response.arrayBuffer());
    case 'json':
      return JSON.parse(textOf(await response.arrayBuffer()));
    case 'arrayBuffer':
      return response.arrayBuffer();
    case 'stream':
      return response.body ?? new Response(new Uint8Array()).body;
    default:
      await response.body?.cancel();
      throw new TypeError('Unknown response type. Possible types are "text", "arrayBuffer", "json", and "stream".');
  }
}

async function valueBytes(value: unknown): Promise<Uint8Array<ArrayBuffer>> {
  if (typeof value !== 'object' || value === null) return utf8(String(value));
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return bytesOf(value);
  if (value instanceof ReadableStream) return drain(value);
  throw new TypeError('KV put() accepts only strings, ArrayBuffers, ArrayBufferViews, and ReadableStreams as values.');
}

const seconds = (value: number | undefined): string | undefined => (value === undefined ? undefined : String(Math.trunc(Number(value))));

/** A value alone is the body; with metadata it travels as a form, made here because that of the platform changes line ends. */
function withMetadata(bytes: Uint8Array<ArrayBuffer>, type: string, metadata: unknown): { headers: Record<string, string>; body: Uint8Array<ArrayBuffer> } {
  if (metadata === undefined || metadata === null) return { headers: { 'content-type': type }, body: bytes };
  const boundary = `boundary-${crypto.randomUUID()}`;
  const part = (name: string, more: string) => utf8(`--${boundary}\r\ncontent-disposition: form-data; name="${name}"${more}\r\n\r\n`);
  const body = concat(part('metadata', ''), utf8(JSON.stringify(metadata)), utf8('\r\n'), part('value', '; filename="value"\r\ncontent-type: application/octet-stream'), bytes, utf8(`\r\n--${boundary}--\r\n`));
  return { headers: { 'content-type': `multipart/form-data; boundary=${boundary}` }, body };
}

/** A place in a list: a page of the gateway's, and the last key in it that was answered. */
interface Place {
  page?: string | undefined;
  after?: string;
}

const CURSOR = 'within.';

function writeCursor(place: Place): string {
  return `${CURSOR}${encodeURIComponent(JSON.stringify(place))}`;
}

function readCursor(cursor: string | undefined): Place {
  if (cursor === undefined || cursor === '') return {};
  return cursor.startsWith(CURSOR) ? (JSON.parse(decodeURIComponent(cursor.slice(CURSOR.length))) as Place) : { page: cursor };
}

const more = (keys: KVListKey<unknown>[], cursor: string): KVListResult<unknown> => ({ keys, list_complete: false, cursor, cacheStatus: null });

const bulkError = (why: string): Error => new Error(`KV GET_BULK failed: 400 ${why}`);

function bulkJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw bulkError('At least one of the requested keys corresponds to a non-json value');
  }
}

export const namespace = (connection: Connection, store: string): GatewayKV => new Namespace(connection, store) as unknown as GatewayKV;
