/** The shapes of requests and answers, as the gateway's OpenAPI description has them. */

import type { components } from "./schema.ts";

type Schemas = components["schemas"];

/** A conversation to be answered; `messages` may be one question. */
export type ChatRequest = Omit<Schemas["ChatCompletionRequest"], "messages" | "stream" | "stream_options"> & {
  messages: string | ChatMessage[];
};
export type ChatMessage = Schemas["ChatCompletionRequest"]["messages"][number];
/** An answer, with what the gateway tells of it in `olo`. */
export type ChatCompletion = Schemas["ChatCompletion"];
export type RunDetails = Schemas["RunDetails"];
export type Citation = Schemas["Citation"];
export type Usage = Schemas["Usage"];
export type Model = Schemas["Model"];
export type Run = Schemas["RunReport"];
/** Where the time of a run went; its times are seconds since the epoch. */
export type RunTrace = Schemas["RunTrace"];
export type RunSummary = Schemas["RunSummary"];
export type Rankings = Schemas["Rankings"];
export type RoutingStatus = Schemas["RoutingStatus"];

export type Collection = Schemas["Collection"];
export type CollectionRequest = Pick<Schemas["CollectionRequest"], "name"> & Partial<Schemas["CollectionRequest"]>;
/** A collection that was brought in, and how many of its documents are still to be indexed. */
export type ImportAnswer = Schemas["ImportAnswer"];
export type Document = Schemas["Document"];
export type DocumentInput = Partial<Schemas["DocumentInput"]>;
export type IngestResult = Schemas["IngestResult"];
export type Passage = Schemas["Passage"];
export type SearchRequest = Pick<Schemas["SearchRequest"], "collection" | "query"> & Partial<Schemas["SearchRequest"]>;

/** One vector for each text, in the order of the texts. */
export interface Embeddings {
  model: string;
  vectors: number[][];
  promptTokens: number;
}

/** One event of a streamed answer. */
export type ChatEvent =
  /** The run is durable from now on. */
  | { type: "started"; runId: string }
  /** What the run is busy with while there is no text yet: `parked`, `queued`, `generating` ... */
  | { type: "progress"; phase: string }
  /** The next piece of the answer. */
  | { type: "delta"; text: string }
  /** The answer begins again: drop what came before. */
  | { type: "reset"; reason: string }
  /** The end: the whole text, and what the gateway tells of the run. */
  | { type: "completed"; text: string; finishReason: string; details: RunDetails; usage: Usage | undefined };
