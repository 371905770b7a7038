// R2: what a Worker can ask of its binding.

import { caught, one, text } from './case.mjs';

const longAgo = new Date('2001-01-01T00:00:00Z');
const farOff = new Date('2099-01-01T00:00:00Z');
const md5 = { text: '781e5e245d69b566979b86e28d23f2c7', other: '00000000000000000000000000000000' }; // of '0123456789'
const sha256 = '84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882'; // of '0123456789'
const etag = md5.text;

export async function seed(FILES) {
  await FILES.put('readme.txt', '0123456789', { httpMetadata: { contentType: 'text/plain', cacheControl: 'no-cache' }, customMetadata: { by: 'seed' } });
  await FILES.put('full', 'full', {
    httpMetadata: { contentType: 'text/html; charset=utf-8', contentLanguage: 'de', contentDisposition: 'attachment; filename="é.html"', cacheControl: 'max-age=60', cacheExpiry: farOff },
    customMetadata: { a: '1', 'with-dash': 'täxt 日本', empty: '' },
  });
  await FILES.put('bare', 'bare');
  await FILES.put('capitals', 'x', { httpMetadata: { contentType: 'text/plain' }, customMetadata: { Who: 'me' } });
  await FILES.put('empty', '', { httpMetadata: { contentType: 'text/plain' } });
  await FILES.put('bom', '\ufefftext', { httpMetadata: { contentType: 'text/plain' } });
  await FILES.put('summed', '0123456789', { sha256, httpMetadata: { contentType: 'text/plain' } });
  await FILES.put('zipped', new Uint8Array(await new Response(new Blob(['a zipped text']).stream().pipeThrough(new CompressionStream('gzip'))).arrayBuffer()), { httpMetadata: { contentType: 'text/plain', contentEncoding: 'gzip' } });
  for (const folder of ['a', 'b', 'c', 'c/deep']) for (let index = 0; index < 4; index++) await FILES.put(`${folder}/${index}.txt`, `${folder} ${index}`, { httpMetadata: { contentType: 'text/plain' } });
  await FILES.put('wörter/日本 🎫 %2F?#.txt', 'unicode', { httpMetadata: { contentType: 'text/plain' } });
}

/** The object and its text. */
const read = async (object) => (object === null ? null : [object, 'body' in object ? await object.text() : 'no body']);
const get = (name, key, options) => one(`R2 get ${name}`, async ({ FILES }) => read(await FILES.get(key, options)));
const head = (key) => one(`R2 head ${key}`, async ({ FILES }) => FILES.head(key));
const put = (name, key, value, options) => one(`R2 put ${name}`, async ({ FILES }) => FILES.put(key, value(), options));
/** What was put, as it is read: its text, and of its description what `only` names. */
const again = (name, key) => one(`R2 reads back ${name}`, async ({ FILES }) => {
  const object = await FILES.get(key);
  return object && { size: object.size, etag: object.etag, custom: object.customMetadata, bytes: await object.arrayBuffer() };
});
const listed = ({ objects, truncated, delimitedPrefixes }) => ({ keys: objects.map(({ key, size }) => [key, size]), truncated, delimitedPrefixes });
const list = (name, options) => one(`R2 list ${name}`, async ({ FILES }) => listed(await FILES.list(options)));
const pages = (name, options) => one(`R2 pages ${name}`, async ({ FILES }) => {
  const seen = [];
  for (let cursor; seen.length < 60; ) {
    const page = await FILES.list({ ...options, cursor });
    seen.push(listed(page));
    if (!page.truncated) return { seen, cursor: 'cursor' in page && page.cursor !== undefined };
    cursor = page.cursor;
  }
  throw new Error('the list never ends');
});
const condition = (name, onlyIf) => get(`if ${name}`, 'readme.txt', { onlyIf });
const hash = async (algorithm, value) => crypto.subtle.digest(algorithm, new TextEncoder().encode(value));

const conditions = {
  'the etag matches': { etagMatches: etag }, 'another etag matches': { etagMatches: md5.other }, 'any etag matches': { etagMatches: '*' },
  'the etag does not match': { etagDoesNotMatch: etag }, 'another etag does not match': { etagDoesNotMatch: md5.other }, 'no etag matches': { etagDoesNotMatch: '*' },
  'uploaded long ago': { uploadedBefore: longAgo, secondsGranularity: true }, 'uploaded until far off': { uploadedBefore: farOff, secondsGranularity: true },
  'uploaded since long ago': { uploadedAfter: longAgo, secondsGranularity: true }, 'uploaded since far off': { uploadedAfter: farOff, secondsGranularity: true },
  'two things hold': { etagMatches: etag, uploadedAfter: longAgo, secondsGranularity: true }, 'one of two holds': { etagMatches: md5.other, uploadedAfter: longAgo, secondsGranularity: true },
  'nothing is asked': {},
};

export const cases = [
  // Reading.
  ...['readme.txt', 'full', 'bare', 'empty', 'nothing', 'a/1.txt', 'wörter/日本 🎫 %2F?#.txt', 'capitals', 'summed', 'zipped'].map(head),
  get('text', 'readme.txt'),
  get('with all metadata', 'full'),
  get('without metadata', 'bare'),
  get('an empty object', 'empty'),
  get('nothing', 'nothing'),
  get('a key with odd characters', 'wörter/日本 🎫 %2F?#.txt'),
  get('a text with a byte order mark', 'bom'),
  get('what is stored encoded', 'zipped'),
  one('R2 versions are told by', async ({ FILES }) => {
    const [put, head, get, { objects: [listed] }] = [await FILES.put('put/version', 'v'), await FILES.head('put/version'), await FILES.get('put/version'), await FILES.list({ prefix: 'put/version' })];
    await get.text();
    return { put: put.version !== '', head: head.version === put.version, get: get.version === put.version, list: listed.version === put.version };
  }),
  one('R2 get arrayBuffer', async ({ FILES }) => (await FILES.get('readme.txt')).arrayBuffer()),
  one('R2 get bytes', async ({ FILES }) => (await FILES.get('readme.txt')).bytes()),
  one('R2 get bytes of an empty object', async ({ FILES }) => (await FILES.get('empty')).bytes()),
  one('R2 get json', async ({ FILES }) => (await FILES.get('readme.txt', { range: { length: 1 } })).json()),
  one('R2 get json of what is none!', async ({ FILES }) => (await FILES.get('bare')).json()),
  one('R2 get blob', async ({ FILES }) => (await FILES.get('readme.txt')).blob()),
  one('R2 get body', async ({ FILES }) => {
    const object = await FILES.get('readme.txt');
    const before = object.bodyUsed;
    return [before, object.body instanceof ReadableStream, object.body === object.body, await text(object.body), object.bodyUsed];
  }),
  one('R2 get body of an empty object', async ({ FILES }) => text((await FILES.get('empty')).body)),
  one('R2 get text twice!', async ({ FILES }) => {
    const object = await FILES.get('readme.txt');
    await object.text();
    return object.text();
  }),
  one('R2 bodyUsed after text', async ({ FILES }) => {
    const object = await FILES.get('readme.txt');
    await object.text();
    return object.bodyUsed;
  }),
  one('R2 a response from an object', async ({ FILES }) => {
    const object = await FILES.get('full');
    const headers = new Headers();
    object.writeHttpMetadata(headers);
    headers.set('etag', object.httpEtag);
    const response = new Response(object.body, { headers });
    return [['content-type', 'content-language', 'cache-control', 'expires', 'etag'].map((name) => [name, response.headers.get(name)]), await response.text()];
  }),
  one('R2 an object as JSON', async ({ FILES }) => {
    const { uploaded, version, storageClass, ...object } = JSON.parse(JSON.stringify(await FILES.head('full')));
    return [Object.entries(object).sort(), new Date(uploaded).toISOString() === uploaded];
  }),
  one('R2 uploaded is the same wherever it is told', async ({ FILES }) => {
    const [{ objects: [inList] }, inHead, inGet] = [await FILES.list({ prefix: 'readme.txt' }), await FILES.head('readme.txt'), await FILES.get('readme.txt', { range: { length: 1 } })];
    await inGet.text();
    return new Set([inList, inHead, inGet].map(({ uploaded }) => uploaded.getTime())).size;
  }),

  // Ranges.
  ...Object.entries({
    'from an offset': { offset: 3 }, 'an offset and a length': { offset: 2, length: 3 }, 'a length': { length: 4 }, 'a suffix': { suffix: 3 }, 'one byte': { offset: 9, length: 1 },
    'more than there is': { offset: 5, length: 100 }, 'a suffix of more than there is': { suffix: 100 }, 'the whole': { offset: 0 }, 'no range': {},
  }).map(([name, range]) => get(`range ${name}`, 'readme.txt', { range })),
  ...Object.entries({
    'behind the end': { offset: 11 }, 'at the end': { offset: 10 }, 'of no length': { offset: 2, length: 0 }, 'of no suffix': { suffix: 0 }, 'negative': { offset: -1 }, 'of a negative length': { length: -2 },
    'of a part of a byte': { offset: 1.5 }, 'of a part of a length': { length: 1.5 }, 'of a negative suffix': { suffix: -1 }, 'of a suffix and an offset': { suffix: 1, offset: 1 }, 'of a suffix and a length': { suffix: 1, length: 1 },
  }).map(([name, range]) => get(`range ${name}!`, 'readme.txt', { range })),
  ...['bytes=2-4', 'bytes=7-', 'bytes=-2', 'bytes=0-0', 'bytes=0-1,3-4'].map((range) => get(`range by headers ${range}`, 'readme.txt', { range: new Headers({ range }) })),
  get('range by headers without one', 'readme.txt', { range: new Headers() }),
  get('a range of nothing', 'nothing', { range: { offset: 1 } }),

  // Conditions.
  ...Object.entries(conditions).map(([name, onlyIf]) => condition(name, onlyIf)),
  ...Object.entries({
    'if-match': { 'if-match': `"${etag}"` }, 'if-match of several': { 'if-match': `"x", "${etag}"` }, 'if-match of another': { 'if-match': '"x"' }, 'if-none-match': { 'if-none-match': `"${etag}"` },
    'if-none-match of another': { 'if-none-match': '"x"' }, 'if-modified-since long ago': { 'if-modified-since': longAgo.toUTCString() }, 'if-modified-since far off': { 'if-modified-since': farOff.toUTCString() },
    'if-unmodified-since long ago': { 'if-unmodified-since': longAgo.toUTCString() }, 'if-unmodified-since far off': { 'if-unmodified-since': farOff.toUTCString() }, 'other headers': { accept: '*/*' },
    'a weak if-none-match': { 'if-none-match': `W/"${etag}"` },
  }).map(([name, headers]) => condition(`by headers ${name}`, new Headers(headers))),
  get('if an etag matches of nothing', 'nothing', { onlyIf: { etagMatches: etag } }),
  get('if an etag matches, and a range', 'readme.txt', { onlyIf: { etagMatches: etag }, range: { offset: 1, length: 2 } }),
  get('if a quoted etag matches!', 'readme.txt', { onlyIf: { etagMatches: `"${etag}"` } }),
  condition('uploaded since long ago, to the millisecond', { uploadedAfter: longAgo }),
  one('R2 get without a body says so', async ({ FILES }) => {
    const object = await FILES.get('readme.txt', { onlyIf: { etagMatches: md5.other } });
    return ['body' in object, object.body === undefined, typeof object.text];
  }),

  // Lists.
  list('all'),
  list('with a prefix', { prefix: 'c/' }),
  list('with a prefix of nothing', { prefix: 'nothing at all' }),
  list('with an odd prefix', { prefix: 'wörter/日本 🎫 %2F?#' }),
  list('by folders', { delimiter: '/' }),
  list('by folders under a prefix', { delimiter: '/', prefix: 'c/' }),
  list('with an empty delimiter', { delimiter: '', prefix: 'c/' }),
  list('after a key', { startAfter: 'b/2.txt' }),
  list('after a key under a prefix', { startAfter: 'b/1.txt', prefix: 'b/' }),
  list('of two', { limit: 2 }),
  pages('of one under a prefix', { limit: 1, prefix: 'a/' }),
  pages('of five', { limit: 5 }),
  pages('of two by folders', { limit: 2, delimiter: '/' }),
  one('R2 list describes objects', async ({ FILES }) => (await FILES.list({ prefix: 'full' })).objects),
  one('R2 list with HTTP metadata', async ({ FILES }) => (await FILES.list({ prefix: 'full', include: ['httpMetadata'] })).objects),
  one('R2 list with custom metadata', async ({ FILES }) => (await FILES.list({ prefix: 'full', include: ['customMetadata'] })).objects),
  one('R2 list with both', async ({ FILES }) => (await FILES.list({ prefix: 'bare', include: ['httpMetadata', 'customMetadata'] })).objects),
  one('R2 list keeps capitals', async ({ FILES }) => (await FILES.list({ prefix: 'capitals', include: ['customMetadata'] })).objects[0].customMetadata),
  one('R2 list with something else!', async ({ FILES }) => FILES.list({ include: ['everything'] })),
  one('R2 list of too many!', async ({ FILES }) => FILES.list({ limit: 1001 })),
  one('R2 list of none!', async ({ FILES }) => FILES.list({ limit: 0 })),
  one('R2 writeHttpMetadata of what a list did not include', async ({ FILES }) => (await FILES.list({ prefix: 'full' })).objects[0].writeHttpMetadata(new Headers())),

  // Writing.
  put('text', 'put/text', () => 'täxt 🎫'),
  again('text', 'put/text'),
  put('nothing', 'put/null', () => null),
  again('nothing', 'put/null'),
  put('an empty text', 'put/empty', () => ''),
  put('a buffer', 'put/buffer', () => new Uint8Array([0, 255, 13, 10]).buffer),
  again('a buffer', 'put/buffer'),
  put('a view', 'put/view', () => new Uint8Array([9, 1, 2, 9]).subarray(1, 3)),
  again('a view', 'put/view'),
  put('a DataView', 'put/dataview', () => new DataView(new Uint8Array([5, 6]).buffer)),
  put('a Blob', 'put/blob', () => new Blob(['a blob'], { type: 'text/x-blob' })),
  again('a Blob', 'put/blob'),
  one('R2 put a stream', async ({ FILES }) => {
    // Node knows no stream with a length; there the client reads any stream to its end.
    if (!('FixedLengthStream' in globalThis)) return FILES.put('put/stream', new Blob(['streamed']).stream());
    const { readable, writable } = new FixedLengthStream(8);
    const writing = new Blob(['streamed']).stream().pipeTo(writable);
    const object = await FILES.put('put/stream', readable);
    await writing;
    return object;
  }),
  again('a stream', 'put/stream'),
  one('R2 put the body of another object', async ({ FILES }) => FILES.put('put/copy', (await FILES.get('readme.txt')).body)),
  put('with all metadata', 'put/full', () => 'full', {
    httpMetadata: { contentType: 'text/html; charset=utf-8', contentLanguage: 'de', contentDisposition: 'attachment; filename="é.html"', cacheControl: 'max-age=60', cacheExpiry: farOff },
    customMetadata: { a: '1', 'with-dash': 'täxt 日本', empty: '' },
  }),
  head('put/full'),
  put('with headers as metadata', 'put/headers', () => 'x', { httpMetadata: new Headers({ 'content-type': 'text/css', 'cache-control': 'no-store', expires: farOff.toUTCString(), accept: '*/*', 'x-amz-meta-a': 'b' }) }),
  head('put/headers'),
  put('with an encoding', 'put/zipped', () => new Uint8Array([31, 139, 8, 0]), { httpMetadata: { contentEncoding: 'gzip' } }),
  put('with capitals in custom metadata', 'put/capitals', () => 'x', { customMetadata: { Who: 'me' } }),
  put('with a line break in custom metadata', 'put/lines', () => 'x', { customMetadata: { who: 'a\nb' } }),
  put('with blanks around custom metadata', 'put/blanks', () => 'x', { customMetadata: { who: ' a ' } }),
  put('with odd characters in custom metadata', 'put/odd', () => 'x', { customMetadata: { 'ü 日本': '%41"\u0000🎫', __proto__x: '' } }),
  head('put/capitals'),
  head('put/lines'),
  head('put/blanks'),
  head('put/odd'),
  put('with an encoding, read back', 'put/zipped', () => new Uint8Array([31, 139, 8, 0]), { httpMetadata: { contentEncoding: 'gzip', contentType: 'text/plain' } }),
  again('what is stored encoded', 'put/zipped'),
  put('with a number as custom metadata', 'put/number', () => 'x', { customMetadata: { n: 5 } }),
  put('with an expiry in milliseconds', 'put/expiry', () => 'x', { httpMetadata: { cacheExpiry: new Date('2099-01-01T00:00:00.500Z') } }),
  put('with an MD5', 'put/md5', () => '0123456789', { md5: md5.text }),
  one('R2 put with an MD5 in bytes', async ({ FILES }) => FILES.put('put/md5', 'sum', { md5: new Uint8Array([...'1d623b89683f9ce4e074de1676d12416'.matchAll(/../g)].map(([hex]) => Number.parseInt(hex, 16))) })),
  put('with a SHA-256', 'put/sha256', () => '0123456789', { sha256 }),
  one('R2 put with a SHA-256 in bytes', async ({ FILES }) => FILES.put('put/sha256', 'sum', { httpMetadata: { contentType: 'text/plain' }, sha256: await hash('SHA-256', 'sum') })),
  head('put/sha256'),
  put('with a wrong MD5!', 'put/bad', () => 'x', { md5: md5.text }),
  put('with a wrong SHA-256!', 'put/bad', () => 'x', { sha256 }),
  put('with two hashes!', 'put/bad', () => 'x', { md5: md5.text, sha256 }),
  put('with a short hash!', 'put/bad', () => 'x', { md5: 'abc' }),
  put('with a hash that is no hex!', 'put/bad', () => 'x', { sha256: 'x'.repeat(64) }),
  put('with a short hash in bytes!', 'put/bad', () => 'x', { sha256: new Uint8Array(3) }),
  head('put/bad'),
  put('if it is new', 'put/new', () => 'first', { onlyIf: { etagDoesNotMatch: '*' } }),
  put('if it is new, and it is not', 'put/new', () => 'second', { onlyIf: { etagDoesNotMatch: '*' } }),
  put('if its etag matches', 'put/new', () => 'third', { onlyIf: { etagMatches: '8b04d5e3775d298e78455efc5ca404d5' } }),
  put('if another etag matches', 'put/new', () => 'fourth', { onlyIf: { etagMatches: md5.other } }),
  put('if it was uploaded long ago', 'put/new', () => 'fifth', { onlyIf: { uploadedBefore: longAgo, secondsGranularity: true } }),
  put('if there is one, and there is none', 'put/none', () => 'x', { onlyIf: { etagMatches: '*' } }),
  put('by headers if it is new', 'put/new', () => 'sixth', { onlyIf: new Headers({ 'if-none-match': '*' }) }),
  again('what conditions left', 'put/new'),
  put('a storage class', 'put/cold', () => 'x', { storageClass: 'InfrequentAccess' }),
  put('much metadata!', 'put/much', () => 'x', { customMetadata: { much: 'm'.repeat(8_200) } }),
  put('a long key!', 'k'.repeat(1_025), () => 'x'),
  put('the longest key', `put/${'k'.repeat(1_020)}`, () => 'x'),
  put('an odd key', 'put/%2F ?#ü\u0000🎫', () => 'odd'),
  again('an odd key', 'put/%2F ?#ü\u0000🎫'),
  put('a key with dots', 'put/../x/./y', () => 'dots'),
  again('a key with dots', 'put/../x/./y'),
  put('a large object', 'put/large', () => new Uint8Array(3 << 20).fill(97), { httpMetadata: { contentType: 'text/plain' } }),
  again('a large object', 'put/large'),
  get('a range of a large object', 'put/large', { range: { offset: (1 << 20) - 2, length: 4 } }),
  put('over another', 'readme.txt', () => 'overwritten', { httpMetadata: { contentType: 'text/plain' } }),
  get('what was put over another', 'readme.txt'),
  one('R2 delete', async ({ FILES }) => [await FILES.delete('a/1.txt'), await FILES.head('a/1.txt')]),
  one('R2 delete of nothing', async ({ FILES }) => FILES.delete('nothing')),
  one('R2 delete several', async ({ FILES }) => [await FILES.delete(['b/0.txt', 'b/1.txt', 'nothing']), listed(await FILES.list({ prefix: 'b/' }))]),
  one('R2 delete none', async ({ FILES }) => FILES.delete([])),
  one('R2 delete a long key!', async ({ FILES }) => FILES.delete('k'.repeat(1_025))),
  list('by folders after writing', { delimiter: '/' }),
  pages('of five after writing', { limit: 5 }),

  // What is stored by the binding alone.
  one('R2 put with a SHA-1', async ({ FILES }) => FILES.put('put/sha1', 'sum', { sha1: await hash('SHA-1', 'sum') })),
  one('R2 put with a SHA-384', async ({ FILES }) => FILES.put('put/sha384', 'sum', { sha384: await hash('SHA-384', 'sum') })),
  one('R2 put with a SHA-512', async ({ FILES }) => FILES.put('put/sha512', 'sum', { sha512: await hash('SHA-512', 'sum') })),
  put('a key with half a surrogate pair', 'put/\ud800', () => 'half'),
  put('a key that is a dot', '..', () => 'dots'),
  put('a key that is empty', '', () => 'no name'),
  one('R2 put a stream of unknown length!', async ({ FILES }) => FILES.put('put/unknown', new Blob(['x']).stream().pipeThrough(new TransformStream()))),

  // What the gateway does not offer.
  one('R2 createMultipartUpload', async ({ FILES }) => typeof (await FILES.createMultipartUpload('put/parts')).uploadId),
  one('R2 resumeMultipartUpload', async ({ FILES }) => typeof FILES.resumeMultipartUpload('put/parts', 'an-id').uploadId),
  one('R2 get with a customer key', async ({ FILES }) => FILES.get('bare', { ssecKey: 'ab'.repeat(32) }).then((object) => object.text())),
  one('R2 put with a customer key', async ({ FILES }) => FILES.put('put/secret', 'x', { ssecKey: 'ab'.repeat(32) }).then(() => 'stored')),
  one('R2 a promise is rejected, nothing thrown at once', async ({ FILES }) => {
    const promise = FILES.get('bare', { range: { offset: -1 } });
    return [promise instanceof Promise, (await caught(() => promise)).name];
  }),
];
