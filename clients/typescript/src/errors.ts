// What the client throws when it is not the store itself that said no.

/** What a refusal is made of. */
export interface Refusal {
  code: string;
  detail: string;
  remedy?: string;
  status?: number;
  run?: string | null;
  /** Cloudflare's number for it. */
  number?: number | null;
  cause?: unknown;
}

/**
 * A refusal of the gateway, or of the client on its behalf. Branch on `code`; `remedy` says what to do.
 * Where the store itself said no, the error is the one that its binding throws, and none of these.
 */
export class GatewayError extends Error {
  override readonly name: string = 'GatewayError';
  /** The stable reason. `unsupported`, `unreachable` and `not_a_gateway` are the client's own, all others the gateway's. */
  readonly code: string;
  /** What was not done, and why. */
  readonly detail: string;
  /** What to do about it; may be empty. */
  readonly remedy: string;
  /** The HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** The run, as far as the answer named it. */
  readonly run: string | null;
  /** Cloudflare's number for the error, where there is one. */
  readonly number: number | null;

  constructor({ code, detail, remedy = '', status = 0, run = null, number = null, cause }: Refusal) {
    // People and agents mostly see the message alone, so the remedy is in it.
    super(remedy === '' ? detail : `${detail} ${remedy}`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.detail = detail;
    this.remedy = remedy;
    this.status = status;
    this.run = run;
    this.number = number;
  }
}

/** What the interface of a binding has and the gateway does not offer. Nothing was sent. */
export function unsupported(what: string, remedy = 'Do without it, or use the binding outside of runs.'): GatewayError {
  return new GatewayError({ code: 'unsupported', detail: `${what}; nothing was sent.`, remedy });
}

export const isRefusal = (error: unknown, ...codes: string[]): error is GatewayError => error instanceof GatewayError && codes.includes(error.code);
