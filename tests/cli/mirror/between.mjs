// Stands between the command and a gateway: lets requests through, and does to some what a test wants.

import http from 'node:http';
import { once } from 'node:events';

/**
 * @param gateway  see startGateway
 * @param meddle   ({ path, body, headers, number }) => undefined, 'before' (the connection breaks before the gateway sees it), 'after' (afterwards: the answer is lost),
 *                 or a function (answer) => answer that changes { status, headers, body }. May be async.
 */
export async function between(gateway, meddle = () => undefined) {
  const target = new URL(gateway.url);
  const proxy = { url: '', meddle, requests: [] };
  const server = http.createServer({ keepAliveTimeout: 0, requestTimeout: 0 }, async (request, response) => {
    try {
      const body = await collect(request);
      const seen = { path: request.url, method: request.method, headers: request.headers, body: body.toString('utf8'), number: proxy.requests.length };
      proxy.requests.push(seen);
      const wish = await proxy.meddle(seen);
      if (wish === 'before') return request.socket.resetAndDestroy();
      const outgoing = http.request({ host: target.hostname, port: target.port, method: request.method, path: request.url, headers: request.headers, agent: false });
      outgoing.end(body);
      const [answer] = await once(outgoing, 'response');
      const held = { status: answer.statusCode, headers: { ...answer.headers }, body: await collect(answer) };
      if (wish === 'after') return request.socket.resetAndDestroy();
      const changed = typeof wish === 'function' ? wish(held) : held;
      delete changed.headers['transfer-encoding'];
      response.writeHead(changed.status, { ...changed.headers, 'content-length': changed.body.length });
      response.end(changed.body);
    } catch {
      // Whoever asked is gone, or the gateway is: the connection says so.
      response.destroy();
    }
  });
  server.listen(0, '127.0.0.1');
  // A test that fails before it stops this must not wait for it for ever.
  server.unref();
  await once(server, 'listening');
  proxy.url = `http://127.0.0.1:${server.address().port}`;
  proxy.stop = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return proxy;
}

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
