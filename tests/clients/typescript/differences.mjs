// What the client does otherwise than the raw binding: each with the sentence of the package's README that says so.
//
// `cases`: name → what the client's outcome is, made from that of the binding. `only`: the sides that differ, where not all do.

const refused = (code, status) => () => ({ thrown: { $error: 'GatewayError', code, status } });
const unsupported = refused('unsupported', 0);
const invalid = refused('invalid_request', 400);
const notParsed = refused('sql_not_parsed', 400);
const each = (names, expected) => Object.fromEntries(names.map((name) => [name, expected]));
const absent = { $: 'undefined' };
const badDigest = 'put: The checksum you specified does not match what was received; nothing was written (10037)';

export const differences = [
  {
    says: 'What the gateway refuses before the store is asked is a `GatewayError`',
    cases: {
      ...each(['D1 all with a syntax error!', 'D1 exec of a statement on two lines!'], notParsed),
      ...each(['D1 all of an empty text!', 'D1 all of a comment!'], refused('no_statement', 400)),
      ...each(['D1 run that attaches!', 'D1 run that begins a transaction!'], refused('statement_not_allowed', 403)),
      'D1 NUL in the statement!': refused('ambiguous_text', 400),
      'D1 batch of nothing!': invalid,
      'D1 bind a view of wide numbers': invalid,
      ...each(['KV get too many!', 'KV get none!', 'KV list with a limit that is too large!', 'KV put with much metadata!'], invalid),
      ...each(['KV put with a life that is too short!', 'KV put with no life!', 'KV put with a negative life!', 'KV put with an expiration that is past!'], invalid),
      'KV get several of which one is empty!': refused('key_invalid', 400),
      'KV put too much!': refused('body_too_large', 413),
      ...each(['R2 list of too many!', 'R2 list of none!', 'R2 put much metadata!'], invalid),
      ...each(['R2 put a long key!', 'R2 delete a long key!'], refused('key_invalid', 400)),
    },
  },
  {
    says: '`prepare()` takes one statement',
    cases: {
      'D1 two statements in one text': invalid,
      'D1 exec of two statements in one of several lines': invalid,
      'D1 all a trailing semicolon and a comment!': () => ({
        success: true, results: [{ a: 1 }], meta: { changes: 0 },
        figures: ['changed_db', 'changes', 'duration', 'last_row_id', 'rows_read', 'rows_written', 'served_by', 'size_after'],
      }),
    },
  },
  { says: '`getBookmark()` answers the bookmark that the session was opened with', cases: { 'D1 session has a bookmark after a query': () => false } },
  { says: '`dump()`, multipart uploads, `ssecKey`, `sha1`, `sha384` and `sha512`', cases: each([
    'D1 dump!', 'R2 createMultipartUpload', 'R2 resumeMultipartUpload', 'R2 get with a customer key', 'R2 put with a customer key', 'R2 put with a SHA-1', 'R2 put with a SHA-384', 'R2 put with a SHA-512',
  ], unsupported) },
  {
    says: 'A `DataView` as a parameter of D1 is refused',
    cases: {
      'D1 bind a DataView': () => {
        const message = "Type 'object' not supported for value '[object DataView]'";
        return { thrown: { $error: 'Error', name: 'Error', message: `D1_TYPE_ERROR: ${message}`, cause: message } };
      },
    },
  },
  {
    says: 'Half of a surrogate pair becomes U+FFFD',
    cases: {
      'D1 bind half a surrogate pair': refused('invalid_json', 400),
      'KV put a key with half a surrogate pair!': () => [absent, { value: { $ArrayBuffer: '68616c66' }, metadata: null, cacheStatus: null }],
      'KV put half a surrogate pair': () => [absent, { value: { $ArrayBuffer: '61efbfbd62' }, metadata: null, cacheStatus: null }],
      'R2 put a key with half a surrogate pair': (binding) => ({ ...binding, key: 'put/\ufffd' }),
    },
  },
  { says: '`cacheTtl` is taken and has no effect', cases: { 'KV get with a cacheTtl that is too short!': () => 'täxt' } },
  { says: 'Several keys at once: one that looks like an array index', cases: { 'KV get several that look like indexes': () => ({ $map: [['7', 'a key that looks like an index'], ['text', 'täxt']] }) } },
  { says: '`uploadedBefore` and `uploadedAfter`', cases: { 'R2 get if uploaded since long ago, to the millisecond': unsupported } },
  { says: '`cacheExpiry` has whole seconds', cases: { 'R2 put with an expiry in milliseconds': (binding) => ({ ...binding, httpMetadata: { cacheExpiry: { $date: '2099-01-01T00:00:00.000Z' } } }) } },
  { says: 'A checksum that does not match', cases: each(['R2 put with a wrong MD5!', 'R2 put with a wrong SHA-256!'], () => ({ thrown: { $error: 'Error', name: 'Error', message: badDigest, cause: null } })) },
  { says: 'The keys `""`, `"."` and `".."`', cases: each(['R2 put a key that is a dot', 'R2 put a key that is empty'], unsupported) },
  {
    says: 'A stream that is put',
    only: ['node'],
    cases: {
      'R2 put a stream of unknown length!': () => ({
        kind: 'object', key: 'put/unknown', size: 1, etag: '9dd4e461268c8034f5c8564e155c67a6', httpEtag: '"9dd4e461268c8034f5c8564e155c67a6"', uploaded: 'lately',
        httpMetadata: {}, customMetadata: {}, range: absent, checksums: { md5: '9dd4e461268c8034f5c8564e155c67a6' }, md5: { $ArrayBuffer: '9dd4e461268c8034f5c8564e155c67a6' },
      }),
    },
  },
  {
    says: 'What a list does not include is not there',
    cases: {
      'R2 list describes objects': ([described]) => [{ ...described, httpMetadata: absent, customMetadata: absent }],
      'R2 list with HTTP metadata': ([described]) => [{ ...described, customMetadata: absent }],
      'R2 list with custom metadata': ([described]) => [{ ...described, httpMetadata: absent }],
      'R2 writeHttpMetadata of what a list did not include': () => ({
        thrown: { $error: 'TypeError', name: 'TypeError', message: "HTTP metadata unknown for key `full`. Did you forget to add 'httpMetadata' to `include` when listing?", cause: null },
      }),
    },
  },
];

/** What the client answers to a case on a side, when it is listed; undefined otherwise. */
export function expectedOf(name, side, binding) {
  const known = differences.find(({ cases, only = [side] }) => name in cases && only.includes(side));
  return known?.cases[name](binding);
}
