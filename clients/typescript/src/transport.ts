/** Calls of one gateway over `fetch`. */

import { cutOff, errorFromResponse, isRefusal, notReachable, OloError } from "./errors.ts";
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

/** Bytes that are sent: at hand, of a file, or as they come. */
export type Bytes = Uint8Array<ArrayBuffer> | Blob | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

/** What is sent. */
export interface Outgoing {
  method?: string;
  path: string;
  query?: Record<string, string | number | undefined>;
  body?: unknown;
  /** Bytes instead of a `body`; those that come by and by can be sent once. */
  bytes?: Bytes;
  headers?: Record<string, string>;
  /** Whether a second try might do something else than the first. */
  once?: boolean;
  /** Whether nobody has used its idempotency key before. */
  isNew?: boolean;
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
  retries(options: CallOptions, repeatable = true, isNew = false): Retries {
    return new Retries(repeatable ? this.#attempts : 1, options.timeout ?? this.timeout, options.signal, isNew);
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
    const retries = this.retries(options, !outgoing.once, outgoing.isNew);
    for (;;) {
      let failure: OloError;
      try {
        const response = await this.send(outgoing, retries);
        return (await response.json().catch(() => {
          throw retries.meaningOf(cutOff);
        })) as T;
      } catch (error) {
        if (!(error instanceof OloError)) throw error;
        const surelyNoRun = error.status === 0 || (retries.isNew && isRefusal(error));
        failure = settled && !surelyNoRun ? await settled(error) : error;
      }
      await retries.pauseAfter(failure);
    }
  }

  /** Calls, again until an answer begins, and gives its bytes as they come. */
  async *pieces(outgoing: Outgoing, options: CallOptions = {}): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    const retries = this.retries(options);
    let response: Response | undefined;
    while (response === undefined) {
      try {
        response = await this.send(outgoing, retries);
      } catch (error) {
        if (!(error instanceof OloError)) throw error;
        await retries.pauseAfter(error);
      }
    }
    const reader = response.body?.getReader();
    try {
      for (;;) {
        const piece = await reader?.read().catch(() => {
          throw retries.meaningOf(cutOff);
        });
        if (!piece || piece.done) return;
        yield piece.value;
      }
    } finally {
      await reader?.cancel().catch(() => undefined);
    }
  }

  /** One try. Throws an `OloError`, or the reason of the caller's signal. */
  async send(outgoing: Outgoing, retries: Retries): Promise<Response> {
    const url = new URL(this.baseURL + outgoing.path);
    for (const [name, value] of Object.entries(outgoing.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const headers: Record<string, string> = { ...this.#headers, ...outgoing.headers };
    if (retries.isNew) headers["x-request-new"] = "true";
    if (outgoing.body !== undefined) headers["content-type"] = "application/json";
    const json = outgoing.body === undefined ? null : JSON.stringify(outgoing.body);
    const body = outgoing.bytes === undefined ? json : sendable(outgoing.bytes);
    const method = outgoing.method ?? (body === null ? "GET" : "POST");
    const request: RequestInit & { duplex?: "half" } = { method, headers, body, signal: retries.signal };
    // A stream is sent while it is read, which `fetch` wants to be told.
    if (body instanceof ReadableStream) request.duplex = "half";
    let response: Response;
    try {
      response = await this.#fetch(url, request);
    } catch {
      throw retries.meaningOf(() => notReachable(this.baseURL));
    }
    if (!response.ok) throw await errorFromResponse(response);
    return response;
  }
}

function sendable(bytes: Bytes): Uint8Array<ArrayBuffer> | Blob | ReadableStream<Uint8Array> {
  if (bytes instanceof Uint8Array || bytes instanceof Blob || bytes instanceof ReadableStream) return bytes;
  const pieces = bytes[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const piece = await pieces.next();
      if (piece.done) controller.close();
      else controller.enqueue(piece.value);
    },
    async cancel() {
      await pieces.return?.();
    },
  });
}
