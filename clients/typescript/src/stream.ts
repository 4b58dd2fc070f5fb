/** One answer, through as many streams as it takes. */

import { cutOff, errorFromEvent, OloError } from "./errors.ts";
import type { Retries } from "./retries.ts";
import { serverEvents } from "./sse.ts";
import type { Outgoing, Transport } from "./transport.ts";
import type { ChatEvent, RunDetails, Usage } from "./types.ts";

const PLACE_GONE = "offset_invalid";
const READ_TOO_SLOWLY = "client_too_slow";

interface Chunk {
  choices?: { delta?: { content?: string }; finish_reason?: string | null }[];
  usage?: Usage | null;
  olo?: { reset?: string } & Partial<RunDetails>;
  error?: unknown;
}

/** Follows an answer; where its stream breaks, the rest is asked for, from whichever gateway answers. */
export class AnswerStream {
  readonly #transport: Transport;
  readonly #retries: Retries;
  readonly #first: Outgoing;
  #lastEventId = "";
  #text = "";
  #gone = false;
  #ended: { finishReason: string; details: RunDetails } | undefined;
  #usage: Usage | undefined;
  /** The run, once it is known. */
  runId = "";
  /** Whether the end was given. */
  completed = false;

  constructor(transport: Transport, retries: Retries, first: Outgoing) {
    this.#transport = transport;
    this.#retries = retries;
    this.#first = first;
  }

  /** The events: one `started`, deltas that follow on each other, `completed`. */
  async *events(): AsyncGenerator<ChatEvent> {
    for (;;) {
      let failure: OloError;
      try {
        const response = await this.#transport.send(this.#outgoing(), this.#retries);
        yield* this.#begun(response);
        yield* this.#read(response);
        if (this.completed) return;
        failure = cutOff();
      } catch (error) {
        if (!(error instanceof OloError)) throw error;
        failure = error;
      }
      if (failure.reason === PLACE_GONE && this.#lastEventId) this.#beginAgain();
      else if (failure.reason !== READ_TOO_SLOWLY) await this.#retries.pauseAfter(failure);
    }
  }

  /** What to ask for next: once the run is durable it is followed, since a request could be refused. */
  #outgoing(): Outgoing {
    const place: Record<string, string> = this.#lastEventId ? { "last-event-id": this.#lastEventId } : {};
    if (!this.runId) return { ...this.#first, headers: { ...this.#first.headers, ...place } };
    const path = `/v1/chat/completions/chatcmpl-${encodeURIComponent(this.runId)}`;
    return { path, query: { stream: "true" }, headers: place };
  }

  *#begun(response: Response): Generator<ChatEvent> {
    const runId = response.headers.get("x-olo-run-id") ?? "";
    if (this.runId || !runId) return;
    this.runId = runId;
    yield { type: "started", runId };
  }

  async *#read(response: Response): AsyncGenerator<ChatEvent> {
    if (response.body === null) return;
    const events = serverEvents(response.body);
    try {
      for (;;) {
        const next = await events.next().catch(() => {
          throw this.#retries.meaningOf(cutOff);
        });
        if (next.done) return;
        this.#retries.progress();
        const { data, id, comment } = next.value;
        if (comment !== undefined) {
          if (comment !== "keep-alive") yield { type: "progress", phase: comment };
        } else if (data === "[DONE]") {
          if (this.#ended === undefined) return;
          this.completed = true;
          yield { type: "completed", text: this.#text, usage: this.#usage, ...this.#ended };
          return;
        } else {
          yield* this.#chunk(JSON.parse(data) as Chunk);
          if (id) this.#lastEventId = id;
        }
      }
    } finally {
      await events.return(undefined);
    }
  }

  *#chunk(chunk: Chunk): Generator<ChatEvent> {
    if (chunk.error !== undefined) throw errorFromEvent(chunk.error);
    if (chunk.usage) this.#usage = chunk.usage;
    const choice = chunk.choices?.[0];
    if (chunk.olo?.reset !== undefined) {
      this.#text = "";
      yield { type: "reset", reason: chunk.olo.reset };
    }
    if (this.#gone && (choice?.delta?.content || choice?.finish_reason)) {
      this.#gone = false;
      yield { type: "reset", reason: PLACE_GONE };
    }
    if (choice?.delta?.content) {
      this.#text += choice.delta.content;
      yield { type: "delta", text: choice.delta.content };
    }
    if (choice?.finish_reason) {
      this.#ended = { finishReason: choice.finish_reason, details: chunk.olo as RunDetails };
    }
  }

  #beginAgain(): void {
    this.#lastEventId = "";
    this.#text = "";
    this.#gone = true;
  }
}
