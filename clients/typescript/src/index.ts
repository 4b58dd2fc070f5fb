/** The TypeScript client of Open LLM Orchestrator. */

export { type ChatCallOptions, Models, Olo, Routing, Runs } from "./client.ts";
export { Collections, Documents, type ImportOptions, type UploadOptions } from "./documents.ts";
export {
  ConflictError,
  ExhaustedError,
  InvalidRequestError,
  NotFoundError,
  OloError,
  TimeoutError,
  UnavailableError,
} from "./errors.ts";
export type { components, paths } from "./schema.ts";
export type { Bytes, CallOptions, ClientOptions } from "./transport.ts";
export type * from "./types.ts";
