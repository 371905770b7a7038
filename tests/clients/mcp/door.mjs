// A door in front of the gateway that writes down who came through. With a run's token it signs what comes, for programs that cannot send a credential.

import http from 'node:http';
import { once } from 'node:events';

/** Answers { url, seen, close }. Host and Origin pass as they come, because they are what some tests are about. */
export async function openDoor(gateway, { token } = {}) {
  const { port } = new URL(gateway.url);
  const seen = [];
  const server = http.createServer(async (incoming, outgoing) => {
    const { method, url, headers } = incoming;
    const signed = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const request = http.request({ host: '127.0.0.1', port, method, path: url, headers: { ...headers, ...signed } });
    request.on('error', () => outgoing.destroy());
    incoming.pipe(request);
    const [answer] = await once(request, 'response');
    seen.push({ method, url, host: headers.host, origin: headers.origin, authorization: headers.authorization, status: answer.statusCode });
    outgoing.writeHead(answer.statusCode, answer.headers);
    answer.pipe(outgoing);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    seen,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
