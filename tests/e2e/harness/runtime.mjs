// One workerd process: start it, know its ports and its output, kill it, start it again.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import workerd from 'workerd';

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]]) {
  process.once(signal, () => process.exit(code));
}

export class Runtime {
  #configFile;
  #sockets;
  #output = '';
  #child = null;
  #exited = Promise.resolve();
  ports = {};

  constructor(configFile, sockets) {
    this.#configFile = configFile;
    this.#sockets = sockets;
  }

  get pid() {
    return this.#child?.pid ?? null;
  }

  logs() {
    return this.#output;
  }

  /** Resolves once every socket listens. `fixedPorts` asks for given ports by socket name. */
  async start(fixedPorts = {}) {
    if (this.#child) throw new Error('workerd runs already');
    const overrides = Object.entries(fixedPorts).map(([socket, port]) => `--socket-addr=${socket}=127.0.0.1:${port}`);
    // The simulators use compatibility flags that workerd only allows in experimental mode, as Miniflare does.
    const child = spawn(workerd.default ?? workerd, ['serve', '--experimental', '--control-fd=3', ...overrides, this.#configFile], {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      env: { ...process.env, FORCE_COLOR: '0', NO_COLOR: '1' },
    });
    running.add(child);
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk) => (this.#output += chunk));
    }
    this.#exited = new Promise((resolve) => {
      child.once('close', () => {
        running.delete(child);
        if (this.#child === child) this.#child = null;
        resolve();
      });
    });
    this.ports = {};
    const listening = new Promise((resolve) => {
      createInterface({ input: child.stdio[3] }).on('line', (line) => {
        const message = JSON.parse(line);
        if (message.event === 'listen') this.ports[message.socket] = message.port;
        if (this.#sockets.every((socket) => socket in this.ports)) resolve(true);
      });
    });
    const up = await Promise.race([listening, this.#exited.then(() => false)]);
    if (!up) throw new Error(`workerd did not start:\n${this.#output}`);
  }

  /** As a power cut would: no chance to finish anything. */
  async kill() {
    this.#child?.kill('SIGKILL');
    await this.#exited;
  }
}
