// What a user of the package writes. It must type-check as it stands.

import { type GatewayRun, type RunStatus, GatewayError, gateway, runOf } from 'dryrun-gateway';

interface Bindings {
  DB: D1Database;
  CACHE: KVNamespace;
  FILES: R2Bucket;
}

interface Env {
  GATEWAY: Fetcher;
  TOKEN: string;
}

/** Written for raw bindings. */
async function handle({ DB, CACHE, FILES }: Bindings): Promise<Response> {
  const customer = await DB.prepare('SELECT * FROM customers WHERE id = ?').bind(1).first<{ id: number; email: string }>();
  const [all, raw] = [await DB.prepare('SELECT 1 AS a').all<{ a: number }>(), await DB.prepare('SELECT 1').raw<[number]>()];
  const [names] = await DB.prepare('SELECT 1').raw({ columnNames: true });
  const batch: D1Result<{ a: number }>[] = await DB.batch<{ a: number }>([DB.prepare('SELECT 1 AS a'), DB.withSession('first-primary').prepare('SELECT 2 AS a')]);
  const value: { n: number } | null = await CACHE.get<{ n: number }>('key', 'json');
  const several: Map<string, string | null> = await CACHE.get(['a', 'b']);
  const { metadata } = await CACHE.getWithMetadata<{ by: string }>('key', 'text');
  await CACHE.put('key', new Uint8Array(), { expirationTtl: 60, metadata: { by: 'me' } });
  const list = await CACHE.list<{ by: string }>({ limit: 5 });
  const object = await FILES.get('key', { range: { offset: 1 } });
  const found: R2ObjectBody | R2Object | null = await FILES.get('key', { onlyIf: { etagMatches: 'x' } });
  const put: R2Object = await FILES.put('key', 'value', { httpMetadata: { contentType: 'text/plain' }, customMetadata: { a: 'b' } });
  const page: R2Objects = await FILES.list({ include: ['httpMetadata'] });
  if (object !== null) return new Response(object.body, { headers: { etag: object.httpEtag } });
  const figures = [customer?.email.length, all.results[0]?.a, raw[0]?.[0], names.length, batch.length, value?.n, several.size, metadata?.by, list.keys.length, found?.key, put.size];
  return Response.json([...figures, page.truncated ? page.cursor : null]);
}

export default {
  async fetch(_request, env): Promise<Response> {
    const overService: Bindings = gateway({ fetcher: env.GATEWAY, token: env.TOKEN });
    const { DB, CACHE, FILES } = gateway({ url: 'https://gateway.example', token: env.TOKEN, headers: { traceparent: '00-1-2-3' }, dryRun: true });
    const database: D1Database = DB;
    const namespace: KVNamespace = CACHE;
    const bucket: R2Bucket = FILES;
    const statement: D1PreparedStatement = DB.prepare('SELECT 1');
    const session: D1DatabaseSession = DB.withSession();
    const own = gateway({ url: new URL('https://gateway.example'), token: env.TOKEN, run: 'r', account: 'a', stores: { ORDERS: 'd1', SESSIONS: 'kv', PICTURES: 'r2' } });
    const [orders, sessions, pictures]: [D1Database, KVNamespace, R2Bucket] = [own.ORDERS, own.SESSIONS, own.PICTURES];
    const run: GatewayRun = runOf({ fetcher: env.GATEWAY, token: env.TOKEN });
    const status: RunStatus = await run.status();
    const markdown: string = await run.report({ format: 'markdown' });
    try {
      return await handle(overService);
    } catch (error) {
      if (error instanceof GatewayError) return Response.json({ code: error.code, remedy: error.remedy, status: error.status, run: error.run });
      return Response.json([database, namespace, bucket, statement, session, orders, sessions, pictures, status.mode, markdown].length);
    }
  },
} satisfies ExportedHandler<Env>;
