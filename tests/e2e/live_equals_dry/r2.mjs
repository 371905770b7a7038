// R2: the objects that both sides begin with, and the requests that both are sent, in this order.

import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { paths } from '../helpers.mjs';

const hash = (algorithm, body, encoding) => createHash(algorithm).update(body).digest(encoding);
const etag = (body) => `"${hash('md5', body, 'hex')}"`;
const longAgo = 'Mon, 01 Jan 2001 00:00:00 GMT';
const farOff = 'Thu, 01 Jan 2099 00:00:00 GMT';
const zipped = gzipSync('a zipped text '.repeat(20));
const large = Buffer.alloc(3 << 20, 'a large object. ');
const described = {
  'content-type': 'text/html; charset=utf-8', 'cache-control': 'max-age=60', 'content-disposition': 'attachment; filename="x.html"', 'content-language': 'de',
  expires: farOff, 'x-amz-meta-who': 'me', 'x-amz-meta-empty': '',
};

export async function seed(files) {
  await files.put('readme.txt', '0123456789', { httpMetadata: { contentType: 'text/plain', cacheControl: 'no-cache' }, customMetadata: { by: 'seed' } });
  await files.put('bare', 'bare');
  await files.put('empty', '');
  await files.put('zipped', zipped, { httpMetadata: { contentType: 'text/plain', contentEncoding: 'gzip' } });
  for (const folder of ['a', 'b', 'c', 'c/deep', 'd']) for (let index = 0; index < 5; index++) await files.put(`${folder}/${index}.txt`, `${folder} ${index}`);
  await files.put('wörter/日本 🎫.txt', 'unicode');
}

const object = (key) => `/${key.split('/').map(encodeURIComponent).join('/')}`;
const r2 = (name, path, options = {}) => ({ name: `${options.method ?? 'GET'} ${name}`, path: paths.objects(path), ...options });
const get = (key, headers = {}) => r2(`${key} ${JSON.stringify(headers)}`, object(key), { headers });
const head = (key, headers = {}) => r2(`${key} ${JSON.stringify(headers)}`, object(key), { method: 'HEAD', headers });
const put = (key, body, headers = {}) => r2(`${key} ${JSON.stringify(headers)}`, object(key), { method: 'PUT', body, headers });
const remove = (key) => r2(key, object(key), { method: 'DELETE' });
const list = (query) => r2(`list${query}`, query, { pages: true });

const ranges = ['bytes=2-4', 'bytes=2-', 'bytes=-3', 'bytes=0-0', 'bytes=5-100', 'bytes=-100', 'bytes=100-', 'bytes=4-2', 'bytes=-0', 'bytes=0-1,3-4', 'bytes=x-y', 'lines=1-2'];
const conditions = (body) => [
  { 'if-match': etag(body) }, { 'if-match': etag('other') }, { 'if-match': '*' }, { 'if-none-match': etag(body) }, { 'if-none-match': etag('other') }, { 'if-none-match': '*' },
  { 'if-match': `${etag('other')}, ${etag(body)}` }, { 'if-none-match': `${etag('other')}, ${etag(body)}` },
  { 'if-modified-since': longAgo }, { 'if-modified-since': farOff }, { 'if-unmodified-since': longAgo }, { 'if-unmodified-since': farOff },
  { 'if-match': etag(body), 'if-unmodified-since': longAgo }, { 'if-none-match': etag('other'), 'if-modified-since': farOff }, { 'if-modified-since': 'nonsense' },
];
const readsOf = (key, body) => [
  get(key), head(key), ...ranges.map((range) => get(key, { range })),
  ...conditions(body).flatMap((headers) => [get(key, headers), head(key, headers)]),
  get(key, { range: 'bytes=1-2', 'if-match': etag(body) }), get(key, { range: 'bytes=1-2', 'if-match': etag('other') }), get(key, { range: 'bytes=100-', 'if-none-match': etag(body) }),
];
const lists = [
  '', '?per_page=1000', '?per_page=4', '?prefix=c/', '?prefix=c/&delimiter=/', '?delimiter=/', '?delimiter=/&per_page=2', '?delimiter=/&per_page=3&prefix=c/', '?delimiter=.',
  '?start_after=b/3.txt', '?start_after=b/3.txt&delimiter=/', '?start_after=c&delimiter=/', '?prefix=b/&start_after=b/1.txt', '?prefix=nothing', '?prefix=w%C3%B6rter', '?per_page=1&prefix=a/',
].map(list);

const every = (...all) => all.reduce((rows, list) => rows.flatMap((row) => list.map((one) => [...row, one])), [[]]);
const manyLists = every(['', 'c/', 'a', 'w', 'nothing'], ['', '/', 'e', '.txt', '//'], ['', 'b/1.txt', 'c/', 'zzz'], [3, 1000]).map(([prefix, delimiter, startAfter, perPage]) => {
  return list(`?${new URLSearchParams({ prefix, delimiter, start_after: startAfter, per_page: perPage })}`);
});
const noCursors = ['garbage', 'AAAA', 'at.', 'at.e30', Buffer.from('b/1.txt').toString('base64'), '%00'].map((cursor) => r2(`list?cursor=${cursor}`, `?cursor=${encodeURIComponent(cursor)}`));
const describedAs = (key, custom) => put(key, 'x', { 'object-form': encodeURIComponent(JSON.stringify({ http_metadata: {}, custom_metadata: custom })) });
/** Around the 2,048 bytes that a bucket takes, by any measure of them. */
const sizes = [
  ...[2_046, 2_047, 2_048, 4_000, 8_192, 8_193].map((length) => put(`metadata of ${length}`, 'x', { 'x-amz-meta-a': 'm'.repeat(length) })),
  ...['é', '€', '\u{1f600}'].flatMap((letter) => [300, 511, 512, 682, 683, 1_023, 1_024, 1_100].map((count) => describedAs(`${count} ${letter}`, { a: letter.repeat(count) }))),
  describedAs('one wide letter', { a: `${'m'.repeat(1_100)}€` }), describedAs('names count', { ['n'.repeat(1_500)]: 'v'.repeat(600) }), describedAs('many', Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`n${n}`, 'vvv']))),
  put('much HTTP metadata', 'x', { 'cache-control': 'm'.repeat(3_000) }),
];
const beyond = [
  ...['x'.repeat(1_025), 'é'.repeat(513)].flatMap((key) => [get(key), head(key), put(key, 'x'), remove(key)]),
  put('é'.repeat(512), 'as long as can be'), get('é'.repeat(512)),
  put('', 'no key'), put('.', 'a dot'), put('..', 'two dots'), put('...', 'three dots'), get('...'),
  r2('list?prefix of 1,100', `?prefix=${'p'.repeat(1_100)}`), r2('list?delimiter of 1,100', `?delimiter=${'p'.repeat(1_100)}&per_page=5`), r2('list?start_after of 1,100', `?start_after=${'p'.repeat(1_100)}`),
  ...[['content-md5', hash('md5', 'x', 'hex')], ['content-md5', 'AAAA'], ['x-amz-checksum-sha256', hash('md5', 'x', 'base64')], ['cf-r2-storage-class', 'standard']].map(([name, value]) => put('checked', 'x', { [name]: value })),
  get('checked'),
];

export const requests = [
  ...readsOf('readme.txt', '0123456789'),
  ...['bare', 'empty', 'zipped', 'wörter/日本 🎫.txt', 'nothing'].flatMap((key) => [get(key), head(key)]),
  get('empty', { range: 'bytes=0-' }),
  get('nothing', { range: 'bytes=0-1' }),
  get('nothing', { 'if-match': '*' }),
  ...lists,
  put('new.txt', '0123456789', described),
  ...readsOf('new.txt', '0123456789'),
  put('readme.txt', 'overwritten'),
  get('readme.txt'),
  put('empty-too', ''),
  get('empty-too'),
  get('empty-too', { range: 'bytes=0-' }),
  put('zipped-too', zipped, { 'content-type': 'text/plain', 'content-encoding': 'gzip' }),
  get('zipped-too'),
  put('bytes', Buffer.from([0, 255, 13, 10]), { 'content-type': 'application/octet-stream' }),
  get('bytes'),
  put('large', large),
  get('large'),
  get('large', { range: 'bytes=1048570-2097160' }),
  put('sum', 'sum', { 'content-md5': hash('md5', 'sum', 'base64') }),
  put('sum', 'sum2', { 'x-amz-checksum-sha256': hash('sha256', 'sum2', 'base64') }),
  put('sum', 'sum3', { 'content-md5': hash('md5', 'other', 'base64') }),
  put('sum', 'sum3', { 'x-amz-checksum-sha256': hash('sha256', 'other', 'base64') }),
  put('sum', 'sum3', { 'content-md5': 'not base64' }),
  put('sum', 'sum3', { 'content-md5': hash('md5', 'sum3', 'base64'), 'x-amz-checksum-sha256': hash('sha256', 'sum3', 'base64') }),
  get('sum'),
  ...conditions('bare').map((headers) => put('bare', 'bare', headers)),
  ...conditions('none').map((headers, index) => put(`new-${index}`, 'none', headers)),
  put('bad-expiry', 'x', { expires: 'never' }),
  put('long'.repeat(257), 'x'),
  put('much', 'x', { 'x-amz-meta-much': 'm'.repeat(8_200) }),
  ...sizes,
  ...beyond,
  ...noCursors,
  put('cold', 'x', { 'cf-r2-storage-class': 'InfrequentAccess' }),
  head('cold'),
  { ...put('cold', 'x', { 'cf-r2-storage-class': 'Glacier' }), status: 400 },
  r2('whole key in one segment', `/${encodeURIComponent('wörter/neu 1+1%.txt')}`, { method: 'PUT', body: 'encoded' }),
  get('wörter/neu 1+1%.txt'),
  ...['a/1.txt', 'b/0.txt', 'b/1.txt', 'b/2.txt', 'b/3.txt', 'b/4.txt', 'nothing', 'new-4'].map(remove),
  put('c/2x.txt', 'between'),
  put('aa/only-own.txt', 'own folder'),
  put('a/own/deep.txt', 'own folder in a base folder'),
  put('zz', 'last'),
  ...['a/1.txt', 'new-4', 'c/2x.txt'].flatMap((key) => [get(key), head(key)]),
  remove('a/1.txt'),
  put('a/1.txt', 'back again', { 'if-none-match': '*' }),
  get('a/1.txt'),
  ...lists,
  ...manyLists,
  list('?delimiter=/&per_page=1'),
  get('zipped', { range: 'bytes=0-3' }),
  { ...r2('without a length', '/chunked', { method: 'PUT', stream: 'x' }), status: 411 },
  r2('list?per_page=0', '?per_page=0'),
  r2('list?per_page=1001', '?per_page=1001'),
  r2('list of a bucket that is not there', '', { path: paths.objects('', 'NOWHERE') }),
];
