// One keep-alive connection, one request at a time. Node's own client costs about as much as a whole bare request,
// the same in every arm, and would flatter the ratios.

import net from 'node:net';

export class Connection {
  #socket;
  #received = Buffer.alloc(0);
  #waiting = null;

  constructor(port) {
    this.#socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
    this.#socket.on('data', (chunk) => {
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
      const answer = readAnswer(this.#received);
      if (answer && this.#waiting) {
        this.#received = this.#received.subarray(answer.length);
        this.#settle(({ resolve }) => resolve(answer));
      }
    });
    this.#socket.on('error', (error) => this.#settle(({ reject }) => reject(error)));
    this.#socket.on('close', () => this.#settle(({ reject }) => reject(new Error('the connection was closed'))));
  }

  /** @param request  bytes made by `encode` */
  send(request) {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(request);
    });
  }

  close() {
    this.#socket.destroy();
  }

  #settle(how) {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting) how(waiting);
  }
}

/** The bytes of a request. */
export function encode({ method = 'GET', path, headers = {}, body }) {
  const content = body === undefined ? null : Buffer.from(body);
  const lines = Object.entries({ host: '127.0.0.1', ...headers, ...(content && { 'content-length': content.length }) });
  const head = `${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  return content ? Buffer.concat([Buffer.from(head), content]) : Buffer.from(head);
}

/** The answer at the beginning of the bytes, or undefined while it is not whole. */
function readAnswer(bytes) {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = bytes.latin1Slice(0, end).toLowerCase();
  const answer = (body, length) => ({ status: Number(head.slice(9, 12)), dry: head.includes('\r\ndry-run: true'), body, length });
  const start = end + 4;
  const announced = /\r\ncontent-length: *(\d+)/.exec(head);
  if (announced) {
    const length = start + Number(announced[1]);
    return bytes.length < length ? undefined : answer(bytes.subarray(start, length), length);
  }
  if (!head.includes('\r\ntransfer-encoding: chunked')) return answer(Buffer.alloc(0), start);
  const pieces = [];
  for (let at = start; ; ) {
    const line = bytes.indexOf('\r\n', at);
    if (line < 0) return undefined;
    const size = Number.parseInt(bytes.latin1Slice(at, line), 16);
    const next = line + 2 + size + 2;
    if (bytes.length < next) return undefined;
    if (size === 0) return answer(Buffer.concat(pieces), next);
    pieces.push(bytes.subarray(line + 2, line + 2 + size));
    at = next;
  }
}
