/** Sets of documents, and the documents in them. */

import { TimeoutError } from "./errors.ts";
import type { Bytes, CallOptions, Transport } from "./transport.ts";
import type {
  Collection,
  CollectionRequest,
  Document,
  DocumentInput,
  ImportAnswer,
  IngestResult,
  Passage,
  SearchRequest,
} from "./types.ts";

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;
const TRANSFER_MS = 3_600_000;

/** How a document is sent and awaited. */
export interface UploadOptions extends CallOptions {
  /** Is told how far the indexing has come, 0 to 100. */
  progress?: (percent: number) => void;
  /** Milliseconds that it may take. Default: 300000. */
  wait?: number;
}

/** What a collection that is brought in is made of. */
export interface ImportOptions extends CallOptions {
  /** How it will be called. Default: as it was. */
  name?: string;
  /** The model that embeds it, `auto` for the default one. Default: the one that has embedded it. */
  embeddingModel?: string;
}

/** Sets of documents that are searched together. */
export class Collections {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Makes an empty collection, embedded by the default model unless one is named. */
  async create(request: CollectionRequest, options?: CallOptions): Promise<Collection> {
    return await this.#transport.json<Collection>({ path: "/v1/rag/collections", body: request, once: true }, options);
  }

  /** The collections by name. */
  async list(options?: CallOptions): Promise<Collection[]> {
    return (await this.#transport.json<{ data: Collection[] }>({ path: "/v1/rag/collections" }, options)).data;
  }

  /** One collection. */
  async get(name: string, options?: CallOptions): Promise<Collection> {
    return await this.#transport.json<Collection>({ path: place(name) }, options);
  }

  /** Deletes a collection with its documents. */
  async delete(name: string, options?: CallOptions): Promise<void> {
    await this.#transport.json({ method: "DELETE", path: place(name), once: true }, options);
  }

  /** The passages that fit the query, best first. */
  async search(request: SearchRequest, options?: CallOptions): Promise<Passage[]> {
    const outgoing = { path: "/v1/rag/search", body: request };
    return (await this.#transport.json<{ passages: Passage[] }>(outgoing, options)).passages;
  }

  /**
   * A collection as a file, in pieces. One that breaks off is not whole, and ends with an error.
   *
   * @param options `vectors: false` leaves them out: smaller, and embedded anew where it comes in. `timeout` is an hour.
   */
  export(
    name: string,
    options: CallOptions & { vectors?: boolean } = {},
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    const query = { collection: name, vectors: String(options.vectors ?? true) };
    return this.#transport.pieces({ path: "/v1/rag/export", query }, { timeout: TRANSFER_MS, ...options });
  }

  /**
   * Makes a collection of a file that `export` has given: it is there with all of its documents, or not at all.
   *
   * @param file Bytes, a `Blob` (in Node of `fs.openAsBlob`), a stream, or what `export` gives.
   */
  async importFile(file: Bytes, options: ImportOptions = {}): Promise<ImportAnswer> {
    const outgoing = {
      path: "/v1/rag/import",
      query: { collection: options.name, embedding_model: options.embeddingModel },
      bytes: file,
      headers: { "content-type": "application/x-tar" },
      once: true,
    };
    return await this.#transport.json<ImportAnswer>(outgoing, { timeout: TRANSFER_MS, ...options });
  }
}

/** Texts and files with their sources. */
export class Documents {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Stores documents and starts their indexing; one result for each, in their order. */
  async ingest(collection: string, documents: DocumentInput[], options?: CallOptions): Promise<IngestResult[]> {
    const outgoing = { path: "/v1/rag/ingest", body: { collection, documents } };
    return (await this.#transport.json<{ results: IngestResult[] }>(outgoing, options)).results;
  }

  /** One document and the state of its indexing. */
  async get(collection: string, documentId: string, options?: CallOptions): Promise<Document> {
    return await this.#transport.json<Document>({ path: file(documentId), query: { collection } }, options);
  }

  /** Removes a document and its passages. */
  async delete(collection: string, documentId: string, options?: CallOptions): Promise<void> {
    await this.#transport.json({ method: "DELETE", path: file(documentId), query: { collection }, once: true }, options);
  }

  /** Waits until searches see a document, or its indexing has failed: its `state` says which. */
  async settled(collection: string, documentId: string, options: UploadOptions = {}): Promise<Document> {
    const deadline = performance.now() + (options.wait ?? 300_000);
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 1.5, LONGEST_PAUSE_MS)) {
      const document = await this.get(collection, documentId, options);
      const indexing = document.state === "indexing";
      options.progress?.(indexing ? document.percent : 100);
      if (!indexing) return document;
      if (performance.now() + pause > deadline) {
        throw new TimeoutError("the document is not ready in time", { status: 0, reason: "deadline_exceeded" });
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}

const place = (name: string): string => `/v1/rag/collections/${encodeURIComponent(name)}`;
const file = (documentId: string): string => `/v1/rag/documents/${encodeURIComponent(documentId)}`;
