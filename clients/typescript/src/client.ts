/** The client of one gateway. */

import { Collections, Documents } from "./documents.ts";
import { asRunFailure, type OloError } from "./errors.ts";
import { AnswerStream } from "./stream.ts";
import { type CallOptions, type ClientOptions, type Outgoing, Transport } from "./transport.ts";
import type {
  ChatCompletion,
  ChatEvent,
  ChatRequest,
  Embeddings,
  Model,
  Rankings,
  RoutingStatus,
  Run,
  RunSummary,
  RunTrace,
} from "./types.ts";

/** How one chat is made. */
export interface ChatCallOptions extends CallOptions {
  /** Makes the request idempotent. Left out: a new one is made, so that retries never run it twice. */
  idempotencyKey?: string | undefined;
  /** Who goes first where there is not enough for all. */
  priority?: "interactive" | "normal" | "batch" | undefined;
}

const PAGE = 100;

/**
 * A client of one gateway. Every call may throw an `OloError`, or the reason of its signal. What failed in passing is
 * tried again; a chat always can be, since its idempotency key makes it run once.
 */
export class Olo {
  /** Models that can be asked for. */
  readonly models: Models;
  /** Durable requests: what became of them. */
  readonly runs: Runs;
  /** Which model would answer, and who is out of order. */
  readonly routing: Routing;
  /** Sets of documents that are searched together. */
  readonly collections: Collections;
  /** Texts and files with their sources. */
  readonly documents: Documents;
  readonly #transport: Transport;

  constructor(options: ClientOptions = {}) {
    this.#transport = new Transport(options);
    this.models = new Models(this.#transport);
    this.runs = new Runs(this.#transport);
    this.routing = new Routing(this.#transport);
    this.collections = new Collections(this.#transport);
    this.documents = new Documents(this.#transport);
  }

  /** Runs a request and waits for its answer. Where the signal ends it, the run is cancelled, unless it is kept. */
  async chat(request: ChatRequest, options: ChatCallOptions = {}): Promise<ChatCompletion> {
    const key = options.idempotencyKey ?? crypto.randomUUID();
    const outgoing = this.#outgoing(request, key, options, false);
    const given = { ...options, timeout: this.#time(request, options) };
    try {
      return await this.#transport.json<ChatCompletion>(outgoing, given, (error) => this.#settled(error, key));
    } catch (error) {
      if (options.signal?.aborted && !kept(request, options)) await this.#abandon(`run-${key}`);
      throw error;
    }
  }

  /**
   * Runs a request and gives its answer as it comes. Where the gateway is lost, another one goes on with the next
   * character. Whoever leaves the stream early cancels the run, unless `store` was asked for or an idempotency key given.
   */
  async *chatStream(request: ChatRequest, options: ChatCallOptions = {}): AsyncGenerator<ChatEvent> {
    const key = options.idempotencyKey ?? crypto.randomUUID();
    const outgoing = this.#outgoing(request, key, options, true);
    const given = { ...options, timeout: this.#time(request, options) };
    const answer = new AnswerStream(this.#transport, this.#transport.retries(given, true, outgoing.isNew), outgoing);
    let failed = false;
    try {
      yield* answer.events();
    } catch (error) {
      failed = !options.signal?.aborted;
      throw error;
    } finally {
      if (!answer.completed && !failed && !kept(request, options)) await this.#abandon(answer.runId || `run-${key}`);
    }
  }

  /** Gives the events of a run, running or ended, from its beginning. */
  async *follow(runId: string, options: CallOptions = {}): AsyncGenerator<ChatEvent> {
    const path = `/v1/chat/completions/chatcmpl-${encodeURIComponent(runId)}`;
    const first: Outgoing = { path, query: { stream: "true" } };
    yield* new AnswerStream(this.#transport, this.#transport.retries(options), first).events();
  }

  /** One vector for each text. */
  async embed(texts: string[], options: CallOptions & { model?: string } = {}): Promise<Embeddings> {
    const body = { input: texts, encoding_format: "float", ...(options.model ? { model: options.model } : {}) };
    const told = await this.#transport.json<{
      model: string;
      data: { index: number; embedding: number[] }[];
      usage: { prompt_tokens: number };
    }>({ path: "/v1/embeddings", body }, options);
    const vectors = told.data.toSorted((a, b) => a.index - b.index).map((each) => each.embedding);
    return { model: told.model, vectors, promptTokens: told.usage.prompt_tokens };
  }

  #outgoing(request: ChatRequest, key: string, options: ChatCallOptions, stream: boolean): Outgoing {
    const { messages, ...rest } = request;
    const turns = typeof messages === "string" ? [{ role: "user", content: messages }] : messages;
    const streamed = stream ? { stream: true, stream_options: { include_usage: true } } : {};
    const headers: Record<string, string> = { "idempotency-key": key };
    headers["x-request-timeout"] = String(this.#time(request, options) / 1000);
    if (options.priority !== undefined) headers["x-request-priority"] = options.priority;
    const isNew = options.idempotencyKey === undefined;
    return { path: "/v1/chat/completions", body: { ...rest, messages: turns, ...streamed }, headers, isNew };
  }

  /** Milliseconds for a chat: what the caller says, or the usual time after that for which it waits for a model. */
  #time(request: ChatRequest, options: CallOptions): number {
    return options.timeout ?? this.#transport.timeout + (request.wait_for_model ?? 0) * 1000;
  }

  /** A failure that may pass, or the run's own end: the same key would get that again. */
  async #settled(error: OloError, key: string): Promise<OloError> {
    if (error.status !== 503 && error.status !== 429) return error;
    const run = await this.#transport.json<Run>({ path: `/v1/runs/run-${key}` }, { timeout: 2_000 }).catch(() => null);
    return run !== null && run.state !== "running" && run.state !== "completed" ? asRunFailure(error) : error;
  }

  async #abandon(runId: string): Promise<void> {
    // It would end at its deadline at the latest.
    const retries = this.#transport.retries({ timeout: 2_000 }, false);
    const outgoing = { method: "POST", path: `/v1/runs/${encodeURIComponent(runId)}/cancel` };
    await this.#transport.send(outgoing, retries).then((response) => response.body?.cancel(), () => undefined);
  }
}

function kept(request: ChatRequest, options: ChatCallOptions): boolean {
  return Boolean(request.store) || options.idempotencyKey !== undefined;
}

/** Models that can be asked for. */
export class Models {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** All models. */
  async list(options?: CallOptions): Promise<Model[]> {
    return (await this.#transport.json<{ data: Model[] }>({ path: "/v1/models" }, options)).data;
  }

  /** One model. */
  async get(modelId: string, options?: CallOptions): Promise<Model> {
    const path = `/v1/models/${modelId.split("/").map(encodeURIComponent).join("/")}`;
    return await this.#transport.json<Model>({ path }, options);
  }
}

/** Durable requests: what became of them. */
export class Runs {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** One run, with its answer once it has one. */
  async get(runId: string, options?: CallOptions): Promise<Run> {
    return await this.#transport.json<Run>({ path: `/v1/runs/${encodeURIComponent(runId)}` }, options);
  }

  /** Where the time of a run went, step by step. */
  async trace(runId: string, options?: CallOptions): Promise<RunTrace> {
    return await this.#transport.json<RunTrace>({ path: `/v1/runs/${encodeURIComponent(runId)}/trace` }, options);
  }

  /** Runs, newest first, without their answers; walks over all pages. */
  async *list(limit = Number.POSITIVE_INFINITY, options?: CallOptions): AsyncGenerator<RunSummary> {
    let token: string | undefined;
    let left = limit;
    do {
      const query = { limit: Math.min(left, PAGE), page_token: token };
      const page = await this.#transport.json<{ data: RunSummary[]; next_page_token: string | null }>(
        { path: "/v1/runs", query },
        options,
      );
      yield* page.data.slice(0, left);
      left -= page.data.length;
      token = page.next_page_token ?? undefined;
    } while (token !== undefined && left > 0);
  }

  /** Asks a run to stop; one that has ended is left as it is. */
  async cancel(runId: string, options?: CallOptions): Promise<Run> {
    const path = `/v1/runs/${encodeURIComponent(runId)}/cancel`;
    return await this.#transport.json<Run>({ method: "POST", path }, options);
  }
}

/** Answers of the router. */
export class Routing {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The order of all models under a profile, whatever their load. */
  async rankings(profile = "", options?: CallOptions): Promise<Rankings> {
    return await this.#transport.json<Rankings>({ path: "/v1/rankings", query: { profile } }, options);
  }

  /** Instances, circuit breakers, profiles, and how old the router's knowledge is. */
  async status(options?: CallOptions): Promise<RoutingStatus> {
    return await this.#transport.json<RoutingStatus>({ path: "/v1/status" }, options);
  }
}
