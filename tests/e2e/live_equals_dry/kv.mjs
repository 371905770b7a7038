// KV: the keys that both sides begin with, and the requests that both are sent, in this order.

import { paths } from '../helpers.mjs';
import { multipart } from '../rehearsal.mjs';

const nextYear = Math.floor(Date.now() / 1000) + 365 * 86_400;
const number = (index) => String(index).padStart(2, '0');
const base = Array.from({ length: 40 }, (_, index) => `item:${number(index)}`);

export async function seed(cache) {
  for (const [index, key] of base.entries()) await cache.put(key, `{"n":${index}}`, index % 5 === 0 ? { metadata: { n: index } } : {});
  await cache.put('text', 'täxt');
  await cache.put('bytes', Buffer.from([0, 255, 13, 10]));
  await cache.put('expiring', 'v', { expiration: nextYear, metadata: 'a text' });
  await cache.put('a/b?c&d=%41 ü', 'odd key');
  await cache.put('\u{10348}', 'behind the surrogates');
  await cache.put('\uffee', 'before it in UTF-8, behind it in UTF-16');
}

const kv = (name, path, options = {}) => ({ name: `${options.method ?? 'GET'} ${name}`, path: paths.kv(path), ...options });
const get = (key) => kv(key, `values/${encodeURIComponent(key)}`);
const metadata = (key) => kv(`metadata ${key}`, `metadata/${encodeURIComponent(key)}`);
const put = (key, body, query = '', options = {}) => kv(`${key}${query}`, `values/${encodeURIComponent(key)}${query}`, { method: 'PUT', body, ...options });
const remove = (key) => kv(key, `values/${encodeURIComponent(key)}`, { method: 'DELETE' });
const list = (query) => kv(`keys${query}`, `keys${query}`, { pages: true });
const bulkGet = (json) => kv(`bulk get ${JSON.stringify(json).slice(0, 60)}`, 'bulk/get', { method: 'POST', json });
const lists = ['', '?limit=10', '?prefix=item%3A&limit=10', '?prefix=item%3A1', '?prefix=own', '?prefix=nothing', '?limit=1000'].map(list);
const readAll = ['text', 'bytes', 'expiring', 'a/b?c&d=%41 ü', 'item:00', 'item:07', 'own:05', 'nothing', '\u{10348}'].flatMap((key) => [get(key), metadata(key)]);

/** Any JSON is metadata, also what counts as nothing elsewhere. */
const ofAnyKind = ['""', 'null', '0', 'false', '[]', '{}', '" "', '"null"', '-0', '[-0.0, 1.0]', '1e300', '9007199254740993', '{"b":1,"10":2,"2":3}', '{"a":1,"a":2}', '{"":""}', '{"__proto__":1}', '[null]', '"\\u0000"', '"é☃\u{1f600}"'];
const metadataOf = (json) => {
  const key = `metadata ${json}`;
  return [put(key, undefined, '', multipart({ value: 'v', metadata: json })), get(key), metadata(key), bulkGet({ keys: [key], withMetadata: true })];
};
const every = (...lists) => lists.reduce((all, list) => all.flatMap((one) => list.map((other) => [...one, other])), [[]]);
const manyLists = every(['', 'item:', 'item:1', 'own', 'metadata', 'bulk:', 'k', '\uffee'], [10, 11, 1000]).map(([prefix, limit]) => list(`?prefix=${encodeURIComponent(prefix)}&limit=${limit}`));
/** Cursors that no list gave. The store's own are none either: they tell nothing of what the run planned. */
const noCursors = ['garbage', 'AAAA', 'at.', 'at.e30', Buffer.from('item:05').toString('base64'), '%00', '-'].map((cursor) => kv(`keys?cursor=${cursor}`, `keys?cursor=${encodeURIComponent(cursor)}`));

export const requests = [
  ...readAll,
  ...lists,
  put('text', 'new text', '', { headers: { 'content-type': 'text/plain;charset=UTF-8' } }),
  put('bytes', Buffer.from([254, 0])),
  put('empty', ''),
  put('a/b?c&d=%41 ü', 'changed'),
  put('typed', '{"a": 1}', '', { headers: { 'content-type': 'application/json' } }),
  put('with metadata', undefined, '', multipart({ value: 'välue', metadata: '{"a":[1,null,"ü"]}' })),
  put('with no metadata', undefined, '', multipart({ value: Buffer.from([0, 1, 255]) })),
  put('item:00', 'loses its metadata'),
  put('item:05', undefined, '', multipart({ value: 'x', metadata: 'null' })),
  put('bad metadata', undefined, '', multipart({ value: 'x', metadata: '{' })),
  put('no value', undefined, '', multipart({ metadata: '{}' })),
  put('much metadata', undefined, '', multipart({ value: 'x', metadata: JSON.stringify('m'.repeat(1_100)) })),
  put('until', 'v', `?expiration=${nextYear}`),
  put('expiring', 'no longer'),
  put('past', 'v', '?expiration=1000000000'),
  put('soon', 'v', `?expiration=${Math.floor(Date.now() / 1000) + 5}`),
  put('short', 'v', '?expiration_ttl=59'),
  put('word', 'v', '?expiration_ttl=soon'),
  { ...put('both', 'v', `?expiration=${nextYear}&expiration_ttl=600`), status: 400 },
  put('k'.repeat(512), 'long key'),
  put('k'.repeat(513), 'too long a key'),
  put('.', 'dot'),
  ...ofAnyKind.flatMap(metadataOf),
  put('metadata of 1,024 bytes', undefined, '', multipart({ value: 'x', metadata: JSON.stringify('m'.repeat(1_022)) })),
  put('metadata of 1,025 bytes', undefined, '', multipart({ value: 'x', metadata: JSON.stringify('m'.repeat(1_023)) })),
  put('metadata in é', undefined, '', multipart({ value: 'x', metadata: JSON.stringify('é'.repeat(512)) })),
  put('', 'no key'),
  put('..', 'two dots'),
  put('...', 'three dots'),
  get('...'),
  ...['.', '..', '', 'k'.repeat(513)].flatMap((key) => [
    get(key), metadata(key), remove(key), kv('bulk', 'bulk', { method: 'PUT', json: [{ key: 'good', value: 'x' }, { key, value: 'x' }] }),
    kv('bulk', 'bulk', { method: 'DELETE', json: ['text', key] }), bulkGet({ keys: ['text', key] }),
  ]),
  ...['59', '60', '0', '-1', '1.5', '2147483647', '2147483648', '99999999999999999999'].map((ttl) => put('lives', 'v', `?expiration_ttl=${ttl}`)),
  ...['0', '1', '-1', '1e12', '2147483647', '2147483648', String(nextYear)].map((at) => put('ends', 'v', `?expiration=${at}`)),
  ...noCursors,
  ...[512, 513].map((length) => kv(`keys?prefix of ${length}`, `keys?prefix=${'p'.repeat(length)}`)),
  kv('keys?prefix of 514 in é', `keys?prefix=${encodeURIComponent('é'.repeat(257))}`),
  put('large', Buffer.alloc(1 << 20, 'ab')),
  get('large'),
  ...Array.from({ length: 15 }, (_, index) => put(`own:${number(index)}`, `own ${index}`)),
  ...Array.from({ length: 6 }, (_, index) => put(`item:${number(index * 3)}x`, `between ${index}`)),
  ...['item:03', 'item:04', 'item:11', 'own:02', 'item:39', 'nothing'].map(remove),
  ...lists,
  ...readAll,
  ...['empty', 'typed', 'with metadata', 'with no metadata', 'item:03', 'item:05', 'until', 'both', 'k'.repeat(512)].flatMap((key) => [get(key), metadata(key)]),
  kv('bulk', 'bulk', {
    method: 'PUT',
    json: [
      { key: 'bulk:1', value: 'one' }, { key: 'bulk:2', value: 'AP8=', base64: true, metadata: { m: [1] } }, { key: 'bulk:3', value: '{"j":1}', expiration: nextYear },
      { key: 'item:20', value: 'overwritten' }, { key: 'item:11', value: 'again', metadata: 7 },
    ],
  }),
  kv('bulk that is empty', 'bulk', { method: 'PUT', json: [] }),
  kv('bulk with bad base64', 'bulk', { method: 'PUT', json: [{ key: 'good', value: 'x' }, { key: 'bad', value: '***', base64: true }] }),
  kv('bulk with a bad key', 'bulk', { method: 'PUT', json: [{ key: 'good', value: 'x' }, { key: '..', value: 'x' }] }),
  kv('bulk with a short ttl', 'bulk', { method: 'PUT', json: [{ key: 'good', value: 'x' }, { key: 'bad', value: 'x', expiration_ttl: 1 }] }),
  kv('bulk with the same key twice', 'bulk', { method: 'PUT', json: [{ key: 'twice', value: 'first' }, { key: 'twice', value: 'second' }] }),
  kv('bulk', 'bulk', { method: 'DELETE', json: ['item:21', 'bulk:1', 'nothing', 'own:09'] }),
  kv('bulk/delete', 'bulk/delete', { method: 'POST', json: ['item:22', 'own:10'] }),
  kv('bulk/delete of objects', 'bulk/delete', { method: 'POST', json: [{ key: 'own:11' }] }),
  get('twice'),
  get('good'),
  bulkGet({ keys: ['text', 'item:20', 'item:21', 'item:25', 'bulk:2', 'nothing'] }),
  bulkGet({ keys: ['bulk:3', 'item:26', 'nothing'], type: 'json' }),
  bulkGet({ keys: ['text', 'item:26'], type: 'json' }),
  bulkGet({ keys: ['bulk:2', 'item:25', 'item:30', 'with metadata', 'nothing'], withMetadata: true }),
  bulkGet({ keys: ['text', 'text'] }),
  bulkGet({ keys: [] }),
  bulkGet({ keys: Array.from({ length: 101 }, (_, index) => `k${index}`) }),
  bulkGet({ keys: ['text'], type: 'stream' }),
  ...manyLists,
  ...lists,
  kv('a key with an open slash', 'values/open/slash', { method: 'PUT', body: 'v' }),
  get('open/slash'),
  list('?prefix=%F0%90%8D%88'),
  kv('keys?limit=9', 'keys?limit=9'),
  kv('keys?limit=1001', 'keys?limit=1001'),
  kv('keys of a namespace that is not there', 'keys', { path: paths.kv('keys', 'NOWHERE') }),
  kv('a method that is not there', 'keys', { method: 'PATCH', body: '' }),
];
