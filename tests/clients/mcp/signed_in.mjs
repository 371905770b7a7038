// A door for programs that cannot send a credential: everything that comes in goes on to the gateway, signed with a run's token.

import http from 'node:http';
import { once } from 'node:events';

/** Answers { url, close }. Host and Origin pass as they come, because they are what some tests are about. */
export async function signedIn(gateway, token) {
  const { port } = new URL(gateway.url);
  const server = http.createServer(async (incoming, outgoing) => {
    const { method, url, headers } = incoming;
    const request = http.request({ host: '127.0.0.1', port, method, path: url, headers: { ...headers, authorization: `Bearer ${token}` } });
    request.on('error', () => outgoing.destroy());
    incoming.pipe(request);
    const [answer] = await once(request, 'response');
    outgoing.writeHead(answer.statusCode, answer.headers);
    answer.pipe(outgoing);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
