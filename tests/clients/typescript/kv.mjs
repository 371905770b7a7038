// KV: what a Worker can ask of its binding.

import { caught, one, text } from './case.mjs';

const farOff = 2_000_000_000;
const number = (index) => String(index).padStart(2, '0');

export async function seed(CACHE) {
  for (let index = 0; index < 25; index++) await CACHE.put(`item:${number(index)}`, `{"n":${index}}`, index % 5 === 0 ? { metadata: { n: index } } : {});
  await CACHE.put('text', 'täxt');
  await CACHE.put('bytes', new Uint8Array([0, 255, 13, 10]));
  await CACHE.put('empty', '');
  await CACHE.put('expiring', 'v', { expiration: farOff, metadata: 'a text' });
  await CACHE.put('a/b?c&d=%41 ü#', 'odd key', { metadata: { list: [1, null, 'ü'] } });
  await CACHE.put('\u{10348}', 'behind the surrogates');
  await CACHE.put('\uffee', 'before it in UTF-8, behind it in UTF-16');
  await CACHE.put('7', 'a key that looks like an index', { metadata: 7 });
  await CACHE.put('bom', '\ufefftext');
  await CACHE.put('null', 'null');
}

const get = (key, ...type) => one(`KV get ${JSON.stringify(key)} ${JSON.stringify(type)}`.slice(0, 90), async ({ CACHE }) => CACHE.get(key, ...type));
const both = (key, ...type) => one(`KV getWithMetadata ${JSON.stringify(key)} ${JSON.stringify(type)}`.slice(0, 90), async ({ CACHE }) => CACHE.getWithMetadata(key, ...type));
/** Puts, and reads back what was put. */
const put = (name, key, value, options) => one(`KV put ${name}`, async ({ CACHE }) => [await CACHE.put(key, value(), options), await CACHE.getWithMetadata(key, 'arrayBuffer')]);
const list = (name, options) => one(`KV list ${name}`, async ({ CACHE }) => CACHE.list(options));
const pages = (name, options) => one(`KV pages ${name}`, async ({ CACHE }) => {
  const seen = [];
  for (let cursor; seen.length < 60; ) {
    const page = await CACHE.list({ ...options, cursor });
    seen.push(page.keys.map((key) => key.name));
    if (page.list_complete) return { seen, cursor: 'cursor' in page };
    cursor = page.cursor;
  }
  throw new Error('the list never ends');
});
/** The list's own keys, without the cursor. */
const page = (name, options) => one(`KV page ${name}`, async ({ CACHE }) => {
  const { keys, list_complete: complete, cacheStatus } = await CACHE.list(options);
  return { keys, complete, cacheStatus };
});

export const cases = [
  // Reading.
  ...['text', 'empty', 'nothing', 'a/b?c&d=%41 ü#', '\u{10348}', '7', 'bom', 'item:03'].map((key) => get(key)),
  ...['text', 'json', 'arrayBuffer'].map((type) => get('item:05', type)),
  get('bytes', 'arrayBuffer'),
  get('bytes', 'text'),
  get('bom', 'arrayBuffer'),
  get('empty', 'arrayBuffer'),
  get('text', { type: 'arrayBuffer' }),
  get('item:01', { type: 'json', cacheTtl: 60 }),
  get('text', { cacheTtl: 300 }),
  get('text', {}),
  get('text', undefined),
  get('null', 'json'),
  get('nothing', 'json'),
  get('nothing', 'arrayBuffer'),
  one('KV get a number', async ({ CACHE }) => CACHE.get(7)),
  one('KV get a stream', async ({ CACHE }) => text(await CACHE.get('text', 'stream'))),
  one('KV get a stream of nothing', async ({ CACHE }) => CACHE.get('nothing', 'stream')),
  one('KV get a stream of an empty value', async ({ CACHE }) => text(await CACHE.get('empty', { type: 'stream' }))),
  one('KV get of what is no JSON!', async ({ CACHE }) => CACHE.get('text', 'json')),
  one('KV get an unknown type!', async ({ CACHE }) => CACHE.get('text', 'xml')),
  one('KV get an unknown type of nothing', async ({ CACHE }) => CACHE.get('nothing', 'xml')),
  one('KV get with a cacheTtl that is too short!', async ({ CACHE }) => CACHE.get('text', { cacheTtl: 1 })),
  one('KV get an empty key!', async ({ CACHE }) => CACHE.get('')),
  one('KV get a dot!', async ({ CACHE }) => CACHE.get('.')),
  one('KV get two dots!', async ({ CACHE }) => CACHE.get('..')),
  one('KV get a long key!', async ({ CACHE }) => CACHE.get('ä'.repeat(257))),
  one('KV get the longest key', async ({ CACHE }) => CACHE.get('k'.repeat(512))),
  one('KV a promise is rejected, nothing thrown at once', async ({ CACHE }) => {
    const promise = CACHE.get('');
    return [promise instanceof Promise, (await caught(() => promise)).name];
  }),
  ...['item:05', 'item:06', 'expiring', 'a/b?c&d=%41 ü#', 'nothing', '7'].map((key) => both(key)),
  ...['text', 'json', 'arrayBuffer'].map((type) => both('item:10', type)),
  both('expiring', { type: 'text', cacheTtl: 60 }),
  one('KV getWithMetadata a stream', async ({ CACHE }) => {
    const { value, ...rest } = await CACHE.getWithMetadata('item:15', 'stream');
    return [await text(value), rest];
  }),
  one('KV getWithMetadata a stream of nothing', async ({ CACHE }) => CACHE.getWithMetadata('nothing', 'stream')),
  one('KV getWithMetadata of what is no JSON!', async ({ CACHE }) => CACHE.getWithMetadata('text', 'json')),

  // Several at once.
  one('KV get several', async ({ CACHE }) => CACHE.get(['text', 'item:03', 'nothing', 'empty', 'a/b?c&d=%41 ü#'])),
  one('KV get several in another order', async ({ CACHE }) => CACHE.get(['z', 'item:03', 'text', 'a', 'item:03'])),
  one('KV get several as JSON', async ({ CACHE }) => CACHE.get(['item:03', 'item:10', 'nothing', 'null'], 'json')),
  one('KV get several by options', async ({ CACHE }) => CACHE.get(['item:03'], { type: 'json', cacheTtl: 60 })),
  one('KV get several of which one is no JSON!', async ({ CACHE }) => CACHE.get(['item:03', 'text'], 'json')),
  one('KV get several as buffers!', async ({ CACHE }) => CACHE.get(['item:03'], 'arrayBuffer')),
  one('KV get several bytes', async ({ CACHE }) => CACHE.get(['bytes'])),
  one('KV get a hundred', async ({ CACHE }) => (await CACHE.get(Array.from({ length: 100 }, (_, index) => `item:${number(index)}`))).size),
  one('KV get too many!', async ({ CACHE }) => CACHE.get(Array.from({ length: 101 }, (_, index) => `k${index}`))),
  one('KV get none!', async ({ CACHE }) => CACHE.get([])),
  one('KV get several of which one is empty!', async ({ CACHE }) => CACHE.get(['text', ''])),
  one('KV get several that look like indexes', async ({ CACHE }) => CACHE.get(['7', 'text'])),
  one('KV getWithMetadata several', async ({ CACHE }) => CACHE.getWithMetadata(['item:05', 'item:06', 'expiring', 'nothing'])),
  one('KV getWithMetadata several as JSON', async ({ CACHE }) => CACHE.getWithMetadata(['item:05', 'null', 'nothing'], 'json')),

  // Lists.
  list('all'),
  list('with a prefix', { prefix: 'item:1' }),
  list('with a prefix of nothing', { prefix: 'nothing at all' }),
  list('with an odd prefix', { prefix: 'a/b?c&d=%41 ü' }),
  list('with null options', { prefix: null, cursor: null }),
  list('with a limit that is all', { limit: 1000 }),
  list('with a limit of nothing', { limit: 0 }),
  page('of one', { limit: 1 }),
  page('of three under a prefix', { limit: 3, prefix: 'item:' }),
  page('of ten', { limit: 10, prefix: 'item:' }),
  pages('of one', { limit: 1, prefix: 'item:0' }),
  pages('of three', { limit: 3 }),
  pages('of seven', { limit: 7 }),
  pages('of nine under a prefix', { limit: 9, prefix: 'item:' }),
  pages('of ten', { limit: 10 }),
  pages('of eleven', { limit: 11 }),
  pages('of all', {}),
  one('KV pages of changing length', async ({ CACHE }) => {
    const seen = [];
    for (let [cursor, limit] = [undefined, 1]; ; limit = (limit % 4) * 3 + 1) {
      const page = await CACHE.list({ limit, cursor, prefix: 'item:' });
      seen.push(page.keys.map((key) => key.name));
      if (page.list_complete) return seen;
      cursor = page.cursor;
    }
  }),
  one('KV list with a limit that is too large!', async ({ CACHE }) => CACHE.list({ limit: 1001 })),

  // Writing.
  put('text', 'put:text', () => 'täxt 🎫'),
  put('over a value with metadata', 'item:20', () => 'plain'),
  put('an empty text', 'put:empty', () => ''),
  put('a buffer', 'put:buffer', () => new Uint8Array([0, 255, 13, 10]).buffer),
  put('a view', 'put:view', () => new Uint8Array([9, 1, 2, 9]).subarray(1, 3)),
  put('a DataView', 'put:dataview', () => new DataView(new Uint8Array([5, 6]).buffer)),
  put('a stream', 'put:stream', () => new Blob(['streamed']).stream()),
  put('a stream with metadata', 'put:stream2', () => new Blob(['streamed']).stream(), { metadata: { by: 'stream' } }),
  put('line ends with metadata', 'put:lines', () => 'a\nb\r\nc\rd\u0000e', { metadata: { a: 'é', b: [1, null] } }),
  put('bytes with metadata', 'put:bytes', () => new Uint8Array([0, 13, 10, 45, 45, 255]), { metadata: 'text' }),
  put('empty with metadata', 'put:empty2', () => '', { metadata: {} }),
  put('metadata that is null', 'put:null', () => 'v', { metadata: null }),
  put('metadata that is undefined', 'put:undefined', () => 'v', { metadata: undefined }),
  put('metadata that is false', 'put:false', () => 'v', { metadata: false }),
  put('metadata that is zero', 'put:zero', () => 'v', { metadata: 0 }),
  put('an odd key', 'put/%2F ?#ü\u0000🎫', () => 'odd'),
  put('a key with dots', 'put/../x/./y', () => 'dots'),
  put('a key with half a surrogate pair!', 'half\ud800', () => 'half'),
  one('KV delete a key with half a surrogate pair', async ({ CACHE }) => CACHE.delete('half\ufffd')),
  put('half a surrogate pair', 'put:half', () => 'a\ud800b'),
  put('the longest key', 'k'.repeat(512), () => 'long'),
  put('a number', 'put:number', () => 5),
  put('null', 'put:nothing', () => null),
  put('an index-like key with metadata', '12', () => 'twelve', { metadata: { n: 12 } }),
  put('a mebibyte', 'put:large', () => 'ab'.repeat(1 << 19)),
  put('text that begins with a mark', 'put:bom', () => '\ufeffx'),
  one('KV put an object!', async ({ CACHE }) => CACHE.put('put:object', { a: 1 })),
  one('KV put a Blob!', async ({ CACHE }) => CACHE.put('put:blob', new Blob(['x']))),
  one('KV put an empty key!', async ({ CACHE }) => CACHE.put('', 'x')),
  one('KV put a dot!', async ({ CACHE }) => CACHE.put('.', 'x')),
  one('KV put a long key!', async ({ CACHE }) => CACHE.put('k'.repeat(513), 'x')),
  one('KV put with an expiration', async ({ CACHE }) => [await CACHE.put('put:until', 'v', { expiration: farOff, metadata: 1 }), (await CACHE.list({ prefix: 'put:until' })).keys.map(({ expiration }) => expiration === farOff)]),
  one('KV put with a life', async ({ CACHE }) => {
    await CACHE.put('put:ttl', 'v', { expirationTtl: 3600.9 });
    const [{ expiration }] = (await CACHE.list({ prefix: 'put:ttl' })).keys;
    return Math.abs(expiration - Date.now() / 1000 - 3600) < 60;
  }),
  one('KV put with a life that is too short!', async ({ CACHE }) => CACHE.put('put:short', 'v', { expirationTtl: 59 })),
  one('KV put with no life!', async ({ CACHE }) => CACHE.put('put:short', 'v', { expirationTtl: 0 })),
  one('KV put with a negative life!', async ({ CACHE }) => CACHE.put('put:short', 'v', { expirationTtl: -1 })),
  one('KV put with an expiration that is past!', async ({ CACHE }) => CACHE.put('put:past', 'v', { expiration: 1_000_000_000 })),
  one('KV put with much metadata!', async ({ CACHE }) => CACHE.put('put:much', 'v', { metadata: 'm'.repeat(1_100) })),
  one('KV put too much!', async ({ CACHE }) => CACHE.put('put:huge', new Uint8Array((25 << 20) + 1))),
  one('KV put of what is too much was not done', async ({ CACHE }) => CACHE.get(['put:short', 'put:past', 'put:much', 'put:huge'])),
  one('KV put gives nothing', async ({ CACHE }) => CACHE.put('put:void', 'x')),
  one('KV delete', async ({ CACHE }) => [await CACHE.delete('item:07'), await CACHE.get('item:07')]),
  one('KV delete of nothing', async ({ CACHE }) => CACHE.delete('nothing')),
  one('KV delete an empty key!', async ({ CACHE }) => CACHE.delete('')),
  one('KV delete a long key!', async ({ CACHE }) => CACHE.delete('k'.repeat(513))),
  one('KV delete an odd key', async ({ CACHE }) => [await CACHE.delete('a/b?c&d=%41 ü#'), await CACHE.get('a/b?c&d=%41 ü#')]),
  one('KV get several after writing', async ({ CACHE }) => CACHE.getWithMetadata(['put:lines', 'item:07', 'item:20', 'item:21', 'put:bytes'])),
  pages('of three after writing', { limit: 3, prefix: 'put' }),
  pages('of seven after writing', { limit: 7 }),
  one('KV list after writing', async ({ CACHE }) => (await CACHE.list({ prefix: 'put:' })).keys.map(({ name, metadata }) => [name, metadata])),
];
