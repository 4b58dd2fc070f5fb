/** Calls of one gateway over `fetch`. */

import { cutOff, errorFromResponse, notReachable, OloError } from "./errors.ts";
import { Retries } from "./retries.ts";

/** How a client reaches its gateway, and how patient it is. */
export interface ClientOptions {
  /** Where the gateway is. Default: `http://127.0.0.1:8080`. */
  baseURL?: string;
  /** Sent as a bearer token, where the gateway or something before it asks for one. Empty or undefined: none. */
  apiKey?: string | undefined;
  /** Milliseconds for a call, its retries included, unless the call says otherwise. Default: 60000. */
  timeout?: number;
  /** Tries of a call; 1 turns retries off. Default: 6. */
  attempts?: number;
  /** Sent with every call. */
  headers?: Record<string, string>;
  /** Another `fetch`, for tests and proxies. */
  fetch?: typeof fetch;
}

/** How one call is made. */
export interface CallOptions {
  /** Ends the call; its reason is thrown. */
  signal?: AbortSignal | undefined;
  /** Milliseconds for everything. */
  timeout?: number | undefined;
}

/** What is sent. */
export interface Outgoing {
  method?: string;
  path: string;
  query?: Record<string, string | number | undefined>;
  body?: unknown;
  headers?: Record<string, string>;
  /** Whether a second try might do something else than the first. */
  once?: boolean;
}

/** Makes calls: URL, headers, retries, errors. */
export class Transport {
  readonly baseURL: string;
  readonly timeout: number;
  readonly #attempts: number;
  readonly #headers: Record<string, string>;
  readonly #fetch: typeof fetch;

  constructor(options: ClientOptions) {
    this.baseURL = (options.baseURL ?? "http://127.0.0.1:8080").replace(/\/+$/, "");
    this.timeout = options.timeout ?? 60_000;
    this.#attempts = options.attempts ?? 6;
    this.#headers = { ...options.headers };
    if (options.apiKey) this.#headers["authorization"] = `Bearer ${options.apiKey}`;
    this.#fetch = options.fetch ?? ((...given) => fetch(...given));
  }

  /** The tries of a new call. */
  retries(options: CallOptions, repeatable = true): Retries {
    return new Retries(repeatable ? this.#attempts : 1, options.timeout ?? this.timeout, options.signal);
  }

  /**
   * Calls, again where that helps, and gives the JSON of the answer.
   *
   * @param settled Is asked before a further try whether the failure is the lasting result of a run.
   */
  async json<T>(
    outgoing: Outgoing,
    options: CallOptions = {},
    settled?: (error: OloError) => Promise<OloError>,
  ): Promise<T> {
    const retries = this.retries(options, !outgoing.once);
    for (;;) {
      let failure: OloError;
      try {
        const response = await this.send(outgoing, retries);
        return (await response.json().catch(() => {
          throw retries.meaningOf(cutOff);
        })) as T;
      } catch (error) {
        if (!(error instanceof OloError)) throw error;
        failure = settled && error.status > 0 ? await settled(error) : error;
      }
      await retries.pauseAfter(failure);
    }
  }

  /** One try. Throws an `OloError`, or the reason of the caller's signal. */
  async send(outgoing: Outgoing, retries: Retries): Promise<Response> {
    const url = new URL(this.baseURL + outgoing.path);
    for (const [name, value] of Object.entries(outgoing.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const headers: Record<string, string> = { ...this.#headers, ...outgoing.headers };
    if (outgoing.body !== undefined) headers["content-type"] = "application/json";
    let response: Response;
    try {
      response = await this.#fetch(url, {
        method: outgoing.method ?? (outgoing.body === undefined ? "GET" : "POST"),
        headers,
        body: outgoing.body === undefined ? null : JSON.stringify(outgoing.body),
        signal: retries.signal,
      });
    } catch {
      throw retries.meaningOf(() => notReachable(this.baseURL));
    }
    if (!response.ok) throw await errorFromResponse(response);
    return response;
  }
}
