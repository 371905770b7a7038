// R2, with the interface, the values and the errors of its binding.

import { bytesOf, drain, fromHex, toBase64, toHex, utf8 } from './bytes.js';
import { type Connection, refusalOf } from './connection.js';
import { GatewayError, isRefusal, unsupported } from './errors.js';
import { type Described, StoredObject, StoredObjectBody, httpHeaders, httpMetadata } from './r2_object.js';
import type { GatewayR2, R2Condition, R2GetOptions, R2HttpMetadata, R2ListOptions, R2Page, R2PutOptions, R2RangeOption, R2StringChecksums } from './types.js';

type Sent = Record<string, string>;

/** What is known of an object, in a header. Headers of its own would lose the case of names, and make `fetch` decode what is stored encoded. */
interface Form {
  version: string;
  size: number;
  etag: string;
  uploaded: string;
  storage_class: string;
  /** By the names of headers. */
  http_metadata: Record<string, string>;
  custom_metadata: Record<string, string>;
  checksums: R2StringChecksums;
}

interface Listed extends Omit<Form, 'uploaded'> {
  key: string;
  last_modified: string;
  /** By the names of the binding. */
  http_metadata: Record<string, string>;
}

interface ListInfo {
  cursor: string;
  is_truncated: boolean;
  delimited: string[];
}

interface Put {
  key: string;
  etag: string;
  size: string;
  version: string;
  uploaded: string;
  storage_class: string;
}

const LONGEST_PAGE = 1_000;
const CONDITIONS = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'];
const FORM = 'object-form';

class Bucket {
  readonly #connection: Connection;
  readonly #root: string;

  constructor(connection: Connection, store: string) {
    this.#connection = connection;
    this.#root = `r2/buckets/${encodeURIComponent(store)}/objects`;
  }

  async head(key: string): Promise<StoredObject | null> {
    const name = checkedKey(key);
    const response = await this.#connection.storeAnswer('HEAD', this.#path(name), { headers: { [FORM]: 'json' } });
    if (response.ok) return new StoredObject(describe(name, response));
    if (response.headers.get('problem') === 'object_not_found') return null;
    // A refused HEAD has no body to say why and what to do.
    const again = await this.#connection.store('GET', this.#path(name), { headers: { [FORM]: 'json' } }).catch((error) => fail('head', error));
    await again.body?.cancel();
    return new StoredObject(describe(name, again));
  }

  async get(key: string, options: R2GetOptions = {}): Promise<StoredObject | null> {
    refuseCustomerKeys(options);
    const name = checkedKey(key);
    const headers = { [FORM]: 'json', ...conditionHeaders(options.onlyIf), ...rangeHeaders(options.range) };
    const response = await this.#connection.storeAnswer('GET', this.#path(name), { headers });
    if (!response.ok) return this.#notGot(name, await refusalOf(response));
    return new StoredObjectBody(describe(name, response), response.body);
  }

  async put(key: string, value: unknown, options: R2PutOptions = {}): Promise<StoredObject | null> {
    refuseCustomerKeys(options);
    const name = checkedKey(key);
    const hash = hashOf(options);
    const metadata = options.httpMetadata instanceof Headers ? httpMetadata((header) => (options.httpMetadata as Headers).get(header)) : { ...options.httpMetadata };
    const custom = Object.fromEntries(Object.entries(options.customMetadata ?? {}).map(([member, text]) => [member, String(text)]));
    const form = { http_metadata: Object.fromEntries(httpHeaders(metadata)), custom_metadata: custom };
    const headers: Sent = {
      ...conditionHeaders(options.onlyIf),
      ...hash.headers,
      [FORM]: encodeURIComponent(JSON.stringify(form)),
      ...(options.storageClass === undefined ? {} : { 'cf-r2-storage-class': options.storageClass }),
    };
    const body = await bodyOf(value);
    try {
      const { result } = await this.#connection.envelope<Put>('PUT', this.#path(name), { headers, body });
      return new StoredObject({
        key: name, version: result.version, size: Number(result.size), etag: result.etag, uploaded: new Date(result.uploaded), storageClass: result.storage_class,
        // The etag of what was put in one piece is its MD5.
        httpMetadata: withoutFractions(metadata), customMetadata: custom, checksums: { md5: result.etag, ...hash.checksums },
      });
    } catch (error) {
      if (isRefusal(error, 'precondition_failed')) return null;
      if (isRefusal(error, 'length_required')) throw new TypeError('Provided readable stream must have a known length (request/response body or readable half of FixedLengthStream)', { cause: error });
      return fail('put', error);
    }
  }

  async delete(keys: string | string[]): Promise<void> {
    const names = [keys].flat().map(checkedKey);
    for (const [done, name] of names.entries()) {
      try {
        await this.#connection.store('DELETE', this.#path(name));
      } catch (error) {
        if (error instanceof GatewayError && names.length > 1) {
          const { code, detail, remedy, status, run, number } = error;
          throw new GatewayError({ code, detail: `${done} of ${names.length} keys were deleted, then: ${detail}`, remedy, status, run, number, cause: error });
        }
        throw error;
      }
    }
  }

  async list(options: R2ListOptions = {}): Promise<R2Page> {
    for (const member of options.include ?? []) {
      if (member !== 'httpMetadata' && member !== 'customMetadata') throw new RangeError(`Unsupported include value ${String(member)}`);
    }
    const { prefix, delimiter, cursor, startAfter } = options;
    const query = { prefix, delimiter, cursor, start_after: startAfter, per_page: String(options.limit ?? LONGEST_PAGE) };
    const { result, result_info: info } = await this.#connection.envelope<Listed[], ListInfo>('GET', this.#root, { query });
    const objects = result.map((listed) => new StoredObject(describeListed(listed, options.include ?? [])));
    const found = { objects, delimitedPrefixes: info?.delimited ?? [] };
    return info?.is_truncated === true ? { ...found, truncated: true, cursor: info.cursor } : { ...found, truncated: false };
  }

  async createMultipartUpload(): Promise<never> {
    throw noParts();
  }

  resumeMultipartUpload(): never {
    throw noParts();
  }

  // The binding answers an object without its body when a condition does not hold; the gateway's answer does not describe it.
  async #notGot(name: string, refusal: GatewayError): Promise<StoredObject | null> {
    if (refusal.code === 'object_not_found') return null;
    if (refusal.code === 'precondition_failed' || refusal.code === 'not_modified') return this.head(name);
    return fail('get', refusal);
  }

  #path(name: string): string {
    return `${this.#root}/${encodeURIComponent(name)}`;
  }
}

function checkedKey(key: string): string {
  const name = String(key).toWellFormed();
  if (name === '' || name === '.' || name === '..') throw unsupported(`An address cannot hold the key ${JSON.stringify(name)}`, 'Use another key.');
  return name;
}

function refuseCustomerKeys({ ssecKey }: { ssecKey?: unknown }): void {
  if (ssecKey !== undefined) throw unsupported("The gateway does not offer encryption with a customer's key (ssecKey)");
}

const noParts = () => unsupported('The gateway does not offer multipart uploads', 'Use put(), which takes up to 300 MiB.');

/** What the store itself said, in the words of its binding. */
function fail(action: string, error: unknown): never {
  if (isRefusal(error, 'invalid_range', 'bad_digest')) throw new Error(`${action}: ${error.detail.replace(/\.$/, '')} (${error.number})`, { cause: error });
  throw error;
}

// ---- What is known of an object

function describe(key: string, { headers, status }: Response): Described {
  const header = headers.get(FORM);
  if (header === null) {
    throw new GatewayError({ code: 'not_a_gateway', detail: 'The answer does not say what the object is.', remedy: 'Use a gateway that is as new as this client.', status });
  }
  const form = JSON.parse(decodeURIComponent(header)) as Form;
  const [, first, last] = /^bytes (\d+)-(\d+)\//.exec((status === 206 && headers.get('content-range')) || '') ?? [];
  return {
    ...common(form), key, uploaded: new Date(form.uploaded), customMetadata: form.custom_metadata, httpMetadata: httpMetadata((name) => form.http_metadata[name]),
    range: first === undefined ? { offset: 0, length: form.size } : { offset: Number(first), length: Number(last) - Number(first) + 1 },
  };
}

function describeListed(listed: Listed, include: string[]): Described {
  const { cacheExpiry, ...texts } = listed.http_metadata;
  return {
    ...common(listed), key: listed.key, uploaded: new Date(listed.last_modified),
    ...(include.includes('httpMetadata') ? { httpMetadata: { ...texts, ...(cacheExpiry === undefined ? {} : { cacheExpiry: new Date(cacheExpiry) }) } } : {}),
    ...(include.includes('customMetadata') ? { customMetadata: listed.custom_metadata } : {}),
  };
}

const common = ({ version, size, etag, storage_class: storageClass, checksums }: Omit<Form, 'uploaded'>) => ({ version, size, etag, storageClass, checksums });

// HTTP dates have whole seconds.
function withoutFractions(metadata: R2HttpMetadata): R2HttpMetadata {
  return metadata.cacheExpiry === undefined ? metadata : { ...metadata, cacheExpiry: new Date(Math.floor(metadata.cacheExpiry.getTime() / 1_000) * 1_000) };
}

// ---- Requests

function conditionHeaders(onlyIf: R2Condition | Headers | undefined): Sent {
  if (onlyIf === undefined) return {};
  if (onlyIf instanceof Headers) {
    const given = CONDITIONS.filter((name) => onlyIf.has(name)).map((name) => [name, onlyIf.get(name)!] as const);
    // Whether nothing matches is asked of weak tags as of strong ones (RFC 9110, 13.1.2); the gateway knows strong ones alone.
    return Object.fromEntries(given.map(([name, value]) => [name, name === 'if-none-match' ? value.replaceAll('W/"', '"') : value]));
  }
  const headers: Sent = {};
  if (onlyIf.etagMatches !== undefined) headers['if-match'] = quoted(onlyIf.etagMatches);
  if (onlyIf.etagDoesNotMatch !== undefined) headers['if-none-match'] = quoted(onlyIf.etagDoesNotMatch);
  const dates = { 'if-modified-since': onlyIf.uploadedAfter, 'if-unmodified-since': onlyIf.uploadedBefore };
  for (const [name, date] of Object.entries(dates)) {
    if (date === undefined) continue;
    if (onlyIf.secondsGranularity !== true) {
      throw unsupported('The gateway compares the times of uploads by whole seconds', 'Add secondsGranularity: true to onlyIf, or compare etags.');
    }
    headers[name] = date.toUTCString();
  }
  return headers;
}

function quoted(etag: string): string {
  if (/^".*"$/.test(etag)) throw new TypeError(`Conditional ETag should not be wrapped in quotes (${etag}).`);
  if (etag === '*') return etag;
  if (!/^[\x21\x23-\x2b\x2d-\x7e]*$/.test(etag)) throw unsupported(`The etag ${JSON.stringify(etag)} has no form in a header`, 'Use the etag of an object.');
  return `"${etag}"`;
}

function rangeHeaders(range: R2RangeOption | Headers | undefined): Sent {
  if (range === undefined) return {};
  if (range instanceof Headers) return range.has('range') ? { range: range.get('range')! } : {};
  const { offset, length, suffix } = range as { offset?: number; length?: number; suffix?: number };
  whole('range. Starting offset', offset);
  whole('range. Length', length);
  if (suffix !== undefined) {
    if (offset !== undefined) throw new TypeError('Suffix is incompatible with offset.');
    if (length !== undefined) throw new TypeError('Suffix is incompatible with length.');
    whole('suffix. Suffix', suffix);
    return { range: `bytes=-${suffix}` };
  }
  if (offset === undefined && length === undefined) return {};
  const first = offset ?? 0;
  // A length of nothing becomes a range that ends before it begins, which is refused as R2 refuses it.
  return { range: `bytes=${first}-${length === undefined ? '' : first + length - 1}` };
}

function whole(what: string, value: number | undefined): void {
  if (value === undefined) return;
  if (!(value >= 0)) throw new RangeError(`Invalid ${what} (${value}) must be greater than or equal to 0.`);
  if (!Number.isInteger(value)) throw new RangeError(`Invalid ${what.replace('suffix.', 'range.')} (${value}) must be an integer, not floating point.`);
}

const HASHES = { md5: ['MD5', 16], sha1: ['SHA-1', 20], sha256: ['SHA-256', 32], sha384: ['SHA-384', 48], sha512: ['SHA-512', 64] } as const;

function hashOf(options: R2PutOptions): { headers: Sent; checksums: R2StringChecksums } {
  const given = (Object.keys(HASHES) as (keyof typeof HASHES)[]).filter((name) => options[name] !== undefined);
  const [name] = given;
  if (given.length > 1) throw new TypeError('You cannot specify multiple hashing algorithms.');
  if (name === undefined) return { headers: {}, checksums: {} };
  const [title, size] = HASHES[name];
  const bytes = hashBytes(title, size, options[name]!);
  if (name === 'md5') return { headers: { 'content-md5': toBase64(bytes) }, checksums: {} };
  if (name === 'sha256') return { headers: { 'x-amz-checksum-sha256': toBase64(bytes) }, checksums: { sha256: toHex(bytes) } };
  throw unsupported(`The gateway does not check ${title}`, 'Use md5 or sha256.');
}

function hashBytes(title: string, size: number, value: ArrayBuffer | ArrayBufferView | string): Uint8Array {
  if (typeof value === 'string') {
    if (value.length !== size * 2) throw new TypeError(`${title} is ${size * 2} hex characters, not ${value.length}`);
    if (!/^[0-9a-f]*$/i.test(value)) throw new TypeError(`Provided ${title} wasn't a valid hex string`);
    return fromHex(value);
  }
  const bytes = bytesOf(value);
  if (bytes.length !== size) throw new TypeError(`${title} is ${size} bytes, not ${bytes.length}`);
  return bytes;
}

/** The body. R2 must know its length: workerd tells it of a stream that has one, elsewhere a stream is read to its end first. */
async function bodyOf(value: unknown): Promise<Uint8Array<ArrayBuffer> | ReadableStream> {
  if (value === null || value === undefined) return new Uint8Array();
  if (value instanceof ReadableStream) return 'FixedLengthStream' in globalThis ? value : drain(value);
  if (value instanceof Blob) return new Uint8Array(await value.arrayBuffer());
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return bytesOf(value);
  return utf8(String(value));
}

export const bucket = (connection: Connection, store: string): GatewayR2 => new Bucket(connection, store) as unknown as GatewayR2;
