// What came of a call as plain JSON, so that it can leave a Worker and be compared. What stores measure or make up for each write is left out.

const measured = ['duration', 'size_after', 'rows_read', 'rows_written', 'changed_db', 'timings', 'total_attempts', 'served_by', 'served_by_region', 'served_by_primary', 'served_by_colo', 'dry_run'];
const longest = 4_096;

/** FNV-1a, for values that are too long to be shown. */
function hash(units) {
  let state = 0x811c9dc5;
  for (const unit of units) state = Math.imul(state ^ unit, 0x01000193) >>> 0;
  return state.toString(16);
}

/** `inserted`: the statement put a row in, so that `last_row_id` says something. `seen` collects the marks of a dry run. */
export function describe(value, { inserted = false, seen = [] } = {}) {
  const inner = (one) => describe(one, { inserted, seen });
  if (value === undefined) return { $: 'undefined' };
  if (typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))) return { $number: Object.is(value, -0) ? '-0' : String(value) };
  if (typeof value === 'string' && value.length > longest) return { $text: value.length, hash: hash(Array.from(value, (character) => character.codePointAt(0))) };
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Error) return describeError(value);
  if (value instanceof Date) return { $date: value.toISOString() };
  if (value instanceof ArrayBuffer) return bytes('ArrayBuffer', new Uint8Array(value));
  if (ArrayBuffer.isView(value)) return bytes(value.constructor.name, new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  if (value instanceof Map) return { $map: [...value].map(([key, one]) => [key, inner(one)]) };
  if (value instanceof Blob) return { $blob: value.size, type: value.type };
  if (Array.isArray(value)) return value.map(inner);
  if ('httpEtag' in value) return describeObject(value, inner);
  if (value.success === true && value.meta) return describeResult(value, inserted, seen, inner);
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, inner(one)]));
}

function bytes(type, view) {
  return view.length <= longest / 2 ? { [`$${type}`]: Array.from(view, (byte) => byte.toString(16).padStart(2, '0')).join('') } : { [`$${type}`]: view.length, hash: hash(view) };
}

function describeError(error) {
  const told = error.code === undefined ? {} : { code: error.code, status: error.status };
  // A refusal's words are the gateway's own and tested there.
  return error.name === 'GatewayError'
    ? { $error: 'GatewayError', ...told }
    : { $error: error.constructor.name, name: error.name, message: error.message, cause: error.cause instanceof Error && error.cause.name !== 'GatewayError' ? error.cause.message : null };
}

const defined = (members) => Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));

// The simulator of R2 keeps no storage class, and a version is new with every write: cases of their own look at both.
function describeObject(object, inner) {
  const { key, size, etag, httpEtag, uploaded, httpMetadata, customMetadata, range, checksums } = object;
  return {
    kind: 'body' in object ? 'object with body' : 'object',
    key, size, etag, httpEtag,
    uploaded: uploaded instanceof Date && Math.abs(Date.now() - uploaded.getTime()) < 600_000 ? 'lately' : String(uploaded),
    httpMetadata: inner(httpMetadata && defined(httpMetadata)), customMetadata: inner(customMetadata && Object.fromEntries(Object.entries(customMetadata).sort())), range: inner(range && defined(range)),
    checksums: inner(defined(checksums.toJSON())),
    md5: inner(checksums.md5),
  };
}

function describeResult({ meta, ...result }, inserted, seen, inner) {
  seen.push(meta.dry_run === true);
  const kept = Object.entries(meta).filter(([name]) => !measured.includes(name) && (name !== 'last_row_id' || (inserted && meta.changes > 0)));
  const figures = Object.keys(meta).filter((name) => name !== 'dry_run').sort();
  return { ...inner(result), meta: inner(Object.fromEntries(kept)), figures };
}
