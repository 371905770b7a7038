// One place that talks to the gateway: addresses, credentials, and what an answer means.

import { GatewayError } from './errors.js';

/** Anything with `fetch`: a service binding, or a stand-in for the global one. */
export interface Fetcher {
  fetch(input: string, init?: RequestInit): Promise<Response>;
}

/** How to reach a run. */
export interface ConnectionOptions {
  /** The gateway's address. May be left out with `fetcher`. */
  url?: string | URL | undefined;
  /** What carries the requests, for example a service binding to the gateway. Default: the global `fetch`. */
  fetcher?: Fetcher | undefined;
  /** The token of a run, or a key together with `run`. */
  token: string;
  /** The run that a key works in. A run's token names it already. */
  run?: string | undefined;
  /** The gateway's account. Default: asked of the gateway once. */
  account?: string | undefined;
  /** Further headers of every request, for example `traceparent`. */
  headers?: Record<string, string> | undefined;
  /** Sends `Dry-Run: true` with every request, and refuses every answer of the stores that does not say so too. */
  dryRun?: boolean | undefined;
}

export interface Asked {
  query?: Record<string, string | undefined>;
  headers?: Record<string, string>;
  body?: Uint8Array<ArrayBuffer> | ReadableStream;
  json?: unknown;
}

/** What the gateway says of itself. */
interface Environment {
  account: string;
  caller: { run: string | null };
}

// Where no address is needed, any will do.
const NO_ADDRESS = 'https://gateway';

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #root: string;
  #environment: Environment | undefined;

  constructor(options: ConnectionOptions) {
    if (options.url === undefined && options.fetcher === undefined) throw new TypeError('gateway needs url or fetcher');
    if (typeof options.token !== 'string' || options.token === '') throw new TypeError('gateway needs token');
    this.#options = options;
    this.#root = String(options.url ?? NO_ADDRESS).replace(/\/+$/, '');
  }

  /** The id of the run. */
  async run(): Promise<string> {
    const run = this.#options.run ?? (await this.#learn()).caller.run;
    if (run === null) {
      throw new GatewayError({ code: 'run_required', detail: 'The token is a key, which names no run; nothing was asked.', remedy: 'Give the option run, or the token of a run.' });
    }
    return run;
  }

  /** Asks the control plane. */
  async control(method: string, path: string, asked: Asked = {}): Promise<Response> {
    return checked(await this.#send(method, path, asked));
  }

  /** Asks a store; the path is what stands behind the account. Whatever is not a success is thrown. */
  async store(method: string, path: string, asked: Asked = {}): Promise<Response> {
    return checked(await this.storeAnswer(method, path, asked));
  }

  /** As `store`, a refusal as it came. */
  async storeAnswer(method: string, path: string, asked: Asked = {}): Promise<Response> {
    const account = this.#options.account ?? (await this.#learn()).account;
    const response = await this.#send(method, `/client/v4/accounts/${encodeURIComponent(account)}/${path}`, asked);
    return response.ok ? this.#ofRun(response) : response;
  }

  /** The `result` of an envelope, with the envelope itself. */
  async envelope<Result, Info = unknown>(method: string, path: string, asked: Asked = {}): Promise<{ result: Result; result_info?: Info }> {
    return (await this.store(method, path, asked)).json();
  }

  // The answer and not the promise is kept: in a Worker, a promise belongs to the request that made it.
  async #learn(): Promise<Environment> {
    this.#environment ??= (await (await this.control('GET', '/v1/environment')).json()) as Environment;
    return this.#environment;
  }

  async #send(method: string, path: string, { query = {}, headers = {}, body, json }: Asked): Promise<Response> {
    const { token, run, dryRun, fetcher } = this.#options;
    const wanted = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
    const search = wanted.length > 0 ? `?${new URLSearchParams(wanted)}` : '';
    const sent = new Headers(this.#options.headers);
    for (const [name, value] of Object.entries(headers)) sent.set(name, value);
    sent.set('authorization', `Bearer ${token}`);
    if (run !== undefined) sent.set('run-id', run);
    if (dryRun === true) sent.set('dry-run', 'true');
    if (json !== undefined) sent.set('content-type', 'application/json');
    // A redirect could lead a write to somebody who is no gateway.
    const init: RequestInit = { method, headers: sent, redirect: 'manual' };
    if (json !== undefined) init.body = JSON.stringify(json);
    else if (body !== undefined) init.body = body;
    try {
      const address = `${this.#root}${path}${search}`;
      return await (fetcher === undefined ? fetch(address, init) : fetcher.fetch(address, init));
    } catch (cause) {
      throw new GatewayError({
        code: 'unreachable',
        detail: `The gateway gave no answer (${String((cause as Error)?.message ?? cause)}); a write may or may not have been made.`,
        remedy: "Look at the run's report before you send a write again; nothing is repeated by itself.",
        cause,
      });
    }
  }

  // Whatever answers without naming a run is not the gateway, and what it did is part of no run.
  #ofRun(response: Response): Response {
    const run = response.headers.get('run-id');
    if (run === null) throw notAGateway(response.status, 'it names no run');
    if (this.#options.dryRun === true && response.headers.get('dry-run') !== 'true') throw notAGateway(response.status, 'it was asked for a dry run and does not confirm it');
    return response;
  }
}

async function checked(response: Response): Promise<Response> {
  if (response.ok) return response;
  throw await refusalOf(response);
}

/** The refusal that an answer holds. */
export async function refusalOf(response: Response): Promise<GatewayError> {
  const { status, headers } = response;
  const run = headers.get('run-id');
  if (status === 304) return new GatewayError({ code: 'not_modified', detail: 'The object is as you know it.', status, run });
  const text = await response.text();
  const problem = parsed(text);
  if (typeof problem.code !== 'string') return notAGateway(status, `it is no answer of the gateway: ${text.slice(0, 200)}`);
  return new GatewayError({ code: problem.code, detail: problem.detail ?? '', remedy: problem.remedy ?? '', status, run, number: problem.errors?.[0]?.code ?? null });
}

interface Problem {
  code?: unknown;
  detail?: string;
  remedy?: string;
  errors?: { code: number }[];
}

function parsed(text: string): Problem {
  try {
    return (JSON.parse(text) as Problem | null) ?? {};
  } catch {
    return {};
  }
}

function notAGateway(status: number, why: string): GatewayError {
  return new GatewayError({ code: 'not_a_gateway', detail: `The answer cannot be trusted: ${why}.`, remedy: 'Check url or fetcher: what answered may have acted outside of every run.', status });
}
