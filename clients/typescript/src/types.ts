// What the stores look like: structurally the interfaces of @cloudflare/workers-types, declared here so that the package needs no other.
//
// Headers, ReadableStream, Blob and the like are whatever the surrounding project says they are.

// ---- D1

export interface D1Meta {
  duration: number;
  size_after: number;
  rows_read: number;
  rows_written: number;
  last_row_id: number;
  changed_db: boolean;
  changes: number;
  /** True when nothing of it reached the database. */
  dry_run?: boolean;
}

export interface D1BatchResult<T = unknown> {
  success: true;
  meta: D1Meta & Record<string, unknown>;
  error?: never;
  results: T[];
}

export interface D1ExecResult {
  count: number;
  duration: number;
}

export interface GatewayD1Statement {
  bind(...values: unknown[]): GatewayD1Statement;
  first<T = unknown>(columnName: string): Promise<T | null>;
  first<T = Record<string, unknown>>(): Promise<T | null>;
  run<T = Record<string, unknown>>(): Promise<D1BatchResult<T>>;
  all<T = Record<string, unknown>>(): Promise<D1BatchResult<T>>;
  raw<T = unknown[]>(options: { columnNames: true }): Promise<[string[], ...T[]]>;
  raw<T = unknown[]>(options?: { columnNames?: false }): Promise<T[]>;
}

export interface GatewayD1Session {
  prepare(query: string): GatewayD1Statement;
  batch<T = unknown>(statements: GatewayD1Statement[]): Promise<D1BatchResult<T>[]>;
  /** The bookmark that the session was opened with, or null: the gateway passes none on. */
  getBookmark(): string | null;
}

export interface GatewayD1 {
  prepare(query: string): GatewayD1Statement;
  batch<T = unknown>(statements: GatewayD1Statement[]): Promise<D1BatchResult<T>[]>;
  exec(query: string): Promise<D1ExecResult>;
  withSession(constraintOrBookmark?: string): GatewayD1Session;
  /** Always refused. */
  dump(): Promise<ArrayBuffer>;
}

// ---- KV

export type KVGetType = 'text' | 'json' | 'arrayBuffer' | 'stream';

export interface KVGetOptions<Type> {
  type: Type;
  /** Taken, and without effect: every read asks the store. */
  cacheTtl?: number;
}

type PlainGetOptions = Partial<KVGetOptions<undefined>>;
/** A type by itself or among options. */
type As<Type> = Type | KVGetOptions<Type>;

export interface KVPutOptions {
  expiration?: number;
  expirationTtl?: number;
  metadata?: any | null;
}

export interface KVListOptions {
  limit?: number;
  prefix?: string | null;
  cursor?: string | null;
}

export interface KVListKey<Metadata, Key extends string = string> {
  name: Key;
  expiration?: number;
  metadata?: Metadata;
}

export type KVListResult<Metadata, Key extends string = string> =
  | { list_complete: false; keys: KVListKey<Metadata, Key>[]; cursor: string; cacheStatus: string | null }
  | { list_complete: true; keys: KVListKey<Metadata, Key>[]; cacheStatus: string | null };

export interface KVWithMetadata<Value, Metadata> {
  value: Value | null;
  metadata: Metadata | null;
  cacheStatus: string | null;
}

export interface GatewayKV<Key extends string = string> {
  get(key: Key, options?: PlainGetOptions): Promise<string | null>;
  get(key: Key, type: 'text'): Promise<string | null>;
  get<Value = unknown>(key: Key, type: 'json'): Promise<Value | null>;
  get(key: Key, type: 'arrayBuffer'): Promise<ArrayBuffer | null>;
  get(key: Key, type: 'stream'): Promise<ReadableStream | null>;
  get(key: Key, options?: KVGetOptions<'text'>): Promise<string | null>;
  get<Value = unknown>(key: Key, options?: KVGetOptions<'json'>): Promise<Value | null>;
  get(key: Key, options?: KVGetOptions<'arrayBuffer'>): Promise<ArrayBuffer | null>;
  get(key: Key, options?: KVGetOptions<'stream'>): Promise<ReadableStream | null>;
  get(keys: Key[], type: 'text'): Promise<Map<string, string | null>>;
  get<Value = unknown>(keys: Key[], type: 'json'): Promise<Map<string, Value | null>>;
  get(keys: Key[], options?: PlainGetOptions): Promise<Map<string, string | null>>;
  get(keys: Key[], options?: KVGetOptions<'text'>): Promise<Map<string, string | null>>;
  get<Value = unknown>(keys: Key[], options?: KVGetOptions<'json'>): Promise<Map<string, Value | null>>;

  getWithMetadata<Metadata = unknown>(key: Key, options?: PlainGetOptions): Promise<KVWithMetadata<string, Metadata>>;
  getWithMetadata<Metadata = unknown>(key: Key, as: As<'text'>): Promise<KVWithMetadata<string, Metadata>>;
  getWithMetadata<Value = unknown, Metadata = unknown>(key: Key, as: As<'json'>): Promise<KVWithMetadata<Value, Metadata>>;
  getWithMetadata<Metadata = unknown>(key: Key, as: As<'arrayBuffer'>): Promise<KVWithMetadata<ArrayBuffer, Metadata>>;
  getWithMetadata<Metadata = unknown>(key: Key, as: As<'stream'>): Promise<KVWithMetadata<ReadableStream, Metadata>>;
  getWithMetadata<Metadata = unknown>(keys: Key[], options?: PlainGetOptions): Promise<Map<string, KVWithMetadata<string, Metadata>>>;
  getWithMetadata<Metadata = unknown>(keys: Key[], as?: As<'text'>): Promise<Map<string, KVWithMetadata<string, Metadata>>>;
  getWithMetadata<Value = unknown, Metadata = unknown>(keys: Key[], as?: As<'json'>): Promise<Map<string, KVWithMetadata<Value, Metadata>>>;

  put(key: Key, value: string | ArrayBuffer | ArrayBufferView | ReadableStream, options?: KVPutOptions): Promise<void>;
  delete(key: Key): Promise<void>;
  list<Metadata = unknown>(options?: KVListOptions): Promise<KVListResult<Metadata, Key>>;
}

// ---- R2

export type R2RangeOption = { offset: number; length?: number } | { offset?: number; length: number } | { suffix: number };

export interface R2Condition {
  etagMatches?: string;
  etagDoesNotMatch?: string;
  uploadedBefore?: Date;
  uploadedAfter?: Date;
  secondsGranularity?: boolean;
}

export interface R2GetOptions {
  onlyIf?: R2Condition | Headers;
  range?: R2RangeOption | Headers;
  /** Refused. */
  ssecKey?: ArrayBuffer | string;
}

export interface R2HttpMetadata {
  contentType?: string;
  contentLanguage?: string;
  contentDisposition?: string;
  contentEncoding?: string;
  cacheControl?: string;
  cacheExpiry?: Date;
}

type Hash = ArrayBuffer | ArrayBufferView | string;

export interface R2PutOptions {
  onlyIf?: R2Condition | Headers;
  httpMetadata?: R2HttpMetadata | Headers;
  customMetadata?: Record<string, string>;
  md5?: Hash;
  sha256?: Hash;
  /** Refused. */
  sha1?: Hash;
  /** Refused. */
  sha384?: Hash;
  /** Refused. */
  sha512?: Hash;
  storageClass?: string;
  /** Refused. */
  ssecKey?: ArrayBuffer | string;
}

export interface R2ListOptions {
  limit?: number;
  prefix?: string;
  cursor?: string;
  delimiter?: string;
  startAfter?: string;
  include?: ('httpMetadata' | 'customMetadata')[];
}

export interface R2StringChecksums {
  md5?: string;
  sha1?: string;
  sha256?: string;
  sha384?: string;
  sha512?: string;
}

export interface R2ChecksumsOf {
  readonly md5?: ArrayBuffer;
  readonly sha1?: ArrayBuffer;
  readonly sha256?: ArrayBuffer;
  readonly sha384?: ArrayBuffer;
  readonly sha512?: ArrayBuffer;
  toJSON(): R2StringChecksums;
}

export interface GatewayR2Object {
  readonly key: string;
  readonly version: string;
  readonly size: number;
  readonly etag: string;
  readonly httpEtag: string;
  readonly checksums: R2ChecksumsOf;
  readonly uploaded: Date;
  readonly httpMetadata?: R2HttpMetadata;
  readonly customMetadata?: Record<string, string>;
  readonly range?: R2RangeOption;
  readonly storageClass: string;
  readonly ssecKeyMd5?: string;
  writeHttpMetadata(headers: Headers): void;
}

export interface GatewayR2ObjectBody extends GatewayR2Object {
  get body(): ReadableStream;
  get bodyUsed(): boolean;
  arrayBuffer(): Promise<ArrayBuffer>;
  bytes(): Promise<Uint8Array>;
  text(): Promise<string>;
  json<T>(): Promise<T>;
  blob(): Promise<Blob>;
}

export type R2Page = { objects: GatewayR2Object[]; delimitedPrefixes: string[] } & ({ truncated: true; cursor: string } | { truncated: false });

export type R2Value = ReadableStream | ArrayBuffer | ArrayBufferView | string | null | Blob;

export interface GatewayR2 {
  head(key: string): Promise<GatewayR2Object | null>;
  get(key: string, options: R2GetOptions & { onlyIf: R2Condition | Headers }): Promise<GatewayR2ObjectBody | GatewayR2Object | null>;
  get(key: string, options?: R2GetOptions): Promise<GatewayR2ObjectBody | null>;
  put(key: string, value: R2Value, options?: R2PutOptions & { onlyIf: R2Condition | Headers }): Promise<GatewayR2Object | null>;
  put(key: string, value: R2Value, options?: R2PutOptions): Promise<GatewayR2Object>;
  delete(keys: string | string[]): Promise<void>;
  list(options?: R2ListOptions): Promise<R2Page>;
  /** Always refused. */
  createMultipartUpload(key: string, options?: unknown): Promise<never>;
  /** Always refused. */
  resumeMultipartUpload(key: string, uploadId: string): never;
}

// ---- A gateway's stores

export type StoreKind = 'd1' | 'kv' | 'r2';

/** Binding name → kind of store. */
export type Stores = Record<string, StoreKind>;

export type DefaultStores = { DB: 'd1'; CACHE: 'kv'; FILES: 'r2' };

interface Kinds {
  d1: GatewayD1;
  kv: GatewayKV;
  r2: GatewayR2;
}

/** The bindings of a gateway, by name. */
export type Bindings<S> = { [Name in keyof S]: S[Name] extends StoreKind ? Kinds[S[Name]] : never };
