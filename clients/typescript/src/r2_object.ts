// What is known of an object, as its binding shows it.

import { fromHex, toHex } from './bytes.js';
import type { GatewayR2Object, GatewayR2ObjectBody, R2ChecksumsOf, R2HttpMetadata, R2RangeOption, R2StringChecksums } from './types.js';

/** The headers of HTTP metadata and their names in the binding. */
const TEXTS = { 'content-type': 'contentType', 'content-language': 'contentLanguage', 'content-disposition': 'contentDisposition', 'content-encoding': 'contentEncoding', 'cache-control': 'cacheControl' } as const;
const USED = 'Body has already been used. It can only be used once. Use tee() first if you need to read it twice.';

/** HTTP metadata out of headers, by whatever way they are looked up. */
export function httpMetadata(header: (name: string) => string | null | undefined): R2HttpMetadata {
  const metadata: R2HttpMetadata = {};
  for (const [name, member] of Object.entries(TEXTS)) {
    const value = header(name);
    if (value !== null && value !== undefined) metadata[member] = value;
  }
  const expires = header('expires');
  if (expires !== null && expires !== undefined) metadata.cacheExpiry = new Date(expires);
  return metadata;
}

/** The headers of HTTP metadata. */
export function httpHeaders(metadata: R2HttpMetadata): [string, string][] {
  const headers: [string, string][] = [];
  for (const [name, member] of Object.entries(TEXTS)) {
    const value = metadata[member];
    if (value !== undefined) headers.push([name, String(value)]);
  }
  if (metadata.cacheExpiry !== undefined) headers.push(['expires', metadata.cacheExpiry.toUTCString()]);
  return headers;
}

class Checksums implements R2ChecksumsOf {
  // Declared only: what is not known is no member at all.
  declare readonly md5?: ArrayBuffer;
  declare readonly sha1?: ArrayBuffer;
  declare readonly sha256?: ArrayBuffer;
  declare readonly sha384?: ArrayBuffer;
  declare readonly sha512?: ArrayBuffer;

  constructor(hex: R2StringChecksums) {
    for (const [name, digest] of Object.entries(hex)) Object.assign(this, { [name]: fromHex(digest).buffer });
  }

  toJSON(): R2StringChecksums {
    return Object.fromEntries(Object.entries(this).map(([name, bytes]) => [name, toHex(new Uint8Array(bytes as ArrayBuffer))]));
  }
}

export interface Described {
  key: string;
  version: string;
  size: number;
  etag: string;
  uploaded: Date;
  storageClass: string;
  httpMetadata?: R2HttpMetadata;
  customMetadata?: Record<string, string>;
  range?: R2RangeOption;
  checksums: R2StringChecksums;
}

export class StoredObject implements GatewayR2Object {
  readonly key: string;
  readonly version: string;
  readonly size: number;
  readonly etag: string;
  readonly httpEtag: string;
  readonly checksums: R2ChecksumsOf;
  readonly uploaded: Date;
  declare readonly httpMetadata?: R2HttpMetadata;
  declare readonly customMetadata?: Record<string, string>;
  declare readonly range?: R2RangeOption;
  readonly storageClass: string;

  constructor(described: Described) {
    this.key = described.key;
    this.version = described.version;
    this.size = described.size;
    this.etag = described.etag;
    this.httpEtag = `"${described.etag}"`;
    this.checksums = new Checksums(described.checksums);
    this.uploaded = described.uploaded;
    this.storageClass = described.storageClass;
    if (described.httpMetadata !== undefined) this.httpMetadata = described.httpMetadata;
    if (described.customMetadata !== undefined) this.customMetadata = described.customMetadata;
    if (described.range !== undefined) this.range = described.range;
  }

  writeHttpMetadata(headers: Headers): void {
    if (this.httpMetadata === undefined) {
      throw new TypeError(`HTTP metadata unknown for key \`${this.key}\`. Did you forget to add 'httpMetadata' to \`include\` when listing?`);
    }
    for (const [name, value] of httpHeaders(this.httpMetadata)) headers.set(name, value);
  }
}

export class StoredObjectBody extends StoredObject implements GatewayR2ObjectBody {
  // The headers of the answer stay behind: they would say how to decode the body.
  readonly #content: Response;

  constructor(described: Described, body: ReadableStream | null) {
    super(described);
    this.#content = new Response(body ?? new Response(new Uint8Array()).body);
  }

  get body(): ReadableStream {
    return this.#content.body!;
  }

  get bodyUsed(): boolean {
    return this.#content.bodyUsed;
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return this.#unused().arrayBuffer();
  }

  async bytes(): Promise<Uint8Array> {
    return new Uint8Array(await this.arrayBuffer());
  }

  async text(): Promise<string> {
    return this.#unused().text();
  }

  async json<T>(): Promise<T> {
    return JSON.parse(await this.text()) as T;
  }

  async blob(): Promise<Blob> {
    return new Blob([await this.arrayBuffer()], { type: this.httpMetadata?.contentType ?? '' });
  }

  #unused(): Response {
    if (this.#content.bodyUsed) throw new TypeError(USED);
    return this.#content;
  }
}
