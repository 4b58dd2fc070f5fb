/** When a failed call is made again, and after which pause. */

import { isRefusal, mayPass, type OloError, timedOut } from "./errors.ts";

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 3_000;

/** The tries and the time that one call has left. */
export class Retries {
  readonly #attempts: number;
  readonly #signal: AbortSignal | undefined;
  readonly #deadline: number;
  #tried = 0;
  #isNew: boolean;

  /**
   * @param attempts Tries in all, the first one included.
   * @param timeout Milliseconds for all tries together.
   * @param signal The caller's; its reason is thrown where it is aborted.
   * @param isNew Whether nobody has used the key of the request before.
   */
  constructor(attempts: number, timeout: number, signal: AbortSignal | undefined, isNew = false) {
    this.#attempts = attempts;
    this.#signal = signal;
    this.#deadline = performance.now() + timeout;
    this.#isNew = isNew;
  }

  /** Whether no try so far can have been accepted. */
  get isNew(): boolean {
    return this.#isNew;
  }

  /** Milliseconds until the deadline; never negative. */
  get timeLeft(): number {
    return Math.max(0, this.#deadline - performance.now());
  }

  /** A signal for one try: it ends with the caller's wish, or with the time. */
  get signal(): AbortSignal {
    const time = AbortSignal.timeout(Math.ceil(this.timeLeft));
    return this.#signal ? AbortSignal.any([this.#signal, time]) : time;
  }

  /** Says that the call has come further: the tries are counted anew. */
  progress(): void {
    this.#tried = 0;
    this.#isNew = false;
  }

  /** What a failure of `fetch` means: the caller's own wish, the end of the time, or `otherwise`. */
  meaningOf(otherwise: () => OloError): unknown {
    if (this.#signal?.aborted) return this.#signal.reason;
    return this.timeLeft === 0 ? timedOut() : otherwise();
  }

  /** Waits until the next try; throws `error` itself where there is none. */
  async pauseAfter(error: OloError): Promise<void> {
    this.#tried += 1;
    this.#isNew &&= isRefusal(error);
    const growing = Math.min(FIRST_PAUSE_MS * 2 ** (this.#tried - 1), LONGEST_PAUSE_MS);
    const pause = Math.max(growing * (0.75 + Math.random() / 2), (error.retryAfter ?? 0) * 1000);
    if (!mayPass(error) || this.#tried >= this.#attempts || pause >= this.timeLeft) throw error;
    await this.#sleep(pause);
  }

  async #sleep(milliseconds: number): Promise<void> {
    const signal = this.#signal;
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", stop);
        resolve();
      }, milliseconds);
      if (signal?.aborted) stop();
      else signal?.addEventListener("abort", stop, { once: true });
    });
  }
}
