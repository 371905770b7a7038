// The run itself: how it stands, what it did, its end.

import { Connection, type ConnectionOptions } from './connection.js';

/** How a run stands. The gateway may tell more. */
export interface RunStatus {
  id: string;
  owner: string;
  environment: string;
  mode: 'live' | 'dry_run';
  mode_because: string;
  phase: string;
  labels: Record<string, string>;
  expires_at: number;
  [more: string]: unknown;
}

export interface GatewayRun {
  status(): Promise<RunStatus>;
  /** Everything that the run did or planned, as an object or as Markdown for people. */
  report(): Promise<Record<string, unknown>>;
  report(options: { format: 'markdown' }): Promise<string>;
  /** Ends the run: nothing more can be done in it. */
  close(): Promise<RunStatus>;
}

/** The run that a token, or a key with `run`, names. */
export function runOf(options: ConnectionOptions): GatewayRun {
  const connection = new Connection(options);
  const ask = async (method: string, rest: string, query: Record<string, string> = {}) =>
    connection.control(method, `/v1/runs/${encodeURIComponent(await connection.run())}${rest}`, { query });

  async function report(): Promise<Record<string, unknown>>;
  async function report(options: { format: 'markdown' }): Promise<string>;
  async function report(options?: { format: 'markdown' }): Promise<unknown> {
    if (options?.format === 'markdown') return (await ask('GET', '/report', { format: 'markdown' })).text();
    return (await ask('GET', '/report', { format: 'json' })).json();
  }

  return {
    status: async () => (await ask('GET', '')).json() as Promise<RunStatus>,
    report,
    close: async () => (await ask('POST', '/close')).json() as Promise<RunStatus>,
  };
}
