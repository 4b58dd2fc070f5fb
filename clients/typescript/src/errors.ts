/** What a call can fail with: one class for each kind of failure, all of them an `OloError`. */

/** What is known of a failure. */
export interface ErrorFacts {
  /** HTTP status; 0 where no gateway has answered. */
  status: number;
  /** A stable word for programs, such as `model_not_found`. */
  reason: string;
  /** The request field that is wrong, where it is one. */
  field?: string | undefined;
  /** Seconds after which a retry makes sense, where one does. */
  retryAfter?: number | undefined;
  /** The id of the call, as the gateway's log has it. */
  requestId?: string | undefined;
  /** Whether this is the lasting result of a run: the same idempotency key gets it again. */
  runFailed?: boolean | undefined;
}

/** A call has failed. */
export class OloError extends Error {
  readonly status: number;
  readonly reason: string;
  readonly field: string | undefined;
  readonly retryAfter: number | undefined;
  readonly requestId: string | undefined;
  readonly runFailed: boolean;

  constructor(message: string, facts: ErrorFacts) {
    super(message);
    this.name = new.target.name;
    this.status = facts.status;
    this.reason = facts.reason;
    this.field = facts.field;
    this.retryAfter = facts.retryAfter;
    this.requestId = facts.requestId;
    this.runFailed = facts.runFailed ?? false;
  }
}

/** The request is wrong; the same one will never succeed. */
export class InvalidRequestError extends OloError {}

/** What the request names does not exist. */
export class NotFoundError extends OloError {}

/** The request collides with what exists. */
export class ConflictError extends OloError {}

/** Too many requests at once. */
export class ExhaustedError extends OloError {}

/** A part that the request needs does not answer now. */
export class UnavailableError extends OloError {}

/** The time is over. */
export class TimeoutError extends OloError {}

const BY_STATUS: Record<number, typeof OloError> = {
  400: InvalidRequestError,
  412: InvalidRequestError,
  413: InvalidRequestError,
  416: InvalidRequestError,
  422: InvalidRequestError,
  404: NotFoundError,
  409: ConflictError,
  429: ExhaustedError,
  502: UnavailableError,
  503: UnavailableError,
  504: TimeoutError,
};

/** The statuses of errors that are told inside a stream, where the status line is out already, by their type. */
const BY_TYPE: Record<string, number> = {
  invalid_request_error: 400,
  not_found_error: 404,
  conflict_error: 409,
  rate_limit_error: 429,
  timeout_error: 504,
};

const PASSING = new Set(["gateway_not_reachable", "dependency_unavailable", "unavailable", "gateway_stopping"]);

/** Whether the same call may succeed in a moment. */
export function mayPass(error: OloError): boolean {
  if (error.runFailed) return false;
  if (isRefusal(error)) return error.retryAfter !== undefined;
  return error instanceof UnavailableError && PASSING.has(error.reason);
}

/** Whether the call was not let in. */
export function isRefusal(error: OloError): boolean {
  return error instanceof ExhaustedError && error.reason === "overloaded";
}

/** The error of a response that is not 2xx. */
export async function errorFromResponse(response: Response): Promise<OloError> {
  const text = await response.text().catch(() => "");
  const delay = Number(response.headers.get("retry-after") ?? Number.NaN);
  return made(response.status, bodyOf(text), {
    retryAfter: Number.isFinite(delay) ? delay : undefined,
    requestId: response.headers.get("x-request-id") ?? undefined,
  });
}

/** The error that a stream has told instead of an end. */
export function errorFromEvent(body: unknown): OloError {
  const told = isObject(body) ? body : {};
  const known = BY_TYPE[String(told["type"])];
  return made(known ?? (UNAVAILABLE.has(String(told["code"])) ? 503 : 500), told, {});
}

const UNAVAILABLE = new Set([
  ...PASSING,
  "no_model_available",
  "model_unavailable",
  "empty_output",
  "output_invalid",
  "generation_stalled",
  "upstream_unavailable",
  "upstream_broken",
  "payload_not_stored",
]);

/** The error where nobody has answered. */
export function notReachable(baseURL: string): OloError {
  return new UnavailableError(`no gateway answers at ${baseURL}`, { status: 0, reason: "gateway_not_reachable" });
}

/** The error of an answer that ended before it was complete. */
export function cutOff(): OloError {
  return new UnavailableError("the call ended before the answer was complete", { status: 0, reason: "unavailable" });
}

/** The error of a call whose time is over here. */
export function timedOut(): OloError {
  return new TimeoutError("the call has taken too long", { status: 0, reason: "deadline_exceeded" });
}

/** The same error, as the lasting result of a run. */
export function asRunFailure(error: OloError): OloError {
  const kind = error.constructor as typeof OloError;
  return new kind(error.message, { ...error, runFailed: true });
}

function made(status: number, body: Record<string, unknown>, more: Partial<ErrorFacts>): OloError {
  const kind = BY_STATUS[status] ?? OloError;
  const message = typeof body["message"] === "string" ? body["message"] : `the gateway answered with ${status}`;
  return new kind(message, {
    status,
    reason: typeof body["code"] === "string" ? body["code"] : "unknown",
    field: typeof body["param"] === "string" ? body["param"] : undefined,
    ...more,
  });
}

function bodyOf(text: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(text);
    const error = isObject(parsed) ? parsed["error"] : undefined;
    return isObject(error) ? error : {};
  } catch {
    return {};
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
