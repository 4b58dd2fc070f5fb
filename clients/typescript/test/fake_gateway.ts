/** A gateway that answers as it is told, and keeps what it was asked. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Asked {
  method: string;
  url: string;
  headers: IncomingMessage["headers"];
  body: Record<string, unknown>;
  /** What was sent that is no JSON. */
  bytes: Buffer;
}

type Answer = (response: ServerResponse, asked: Asked) => void;

export class FakeGateway implements AsyncDisposable {
  readonly asked: Asked[] = [];
  /** One for each call; the last one stays. */
  answers: Answer[] = [];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on("data", (piece: Buffer) => pieces.push(piece));
      request.on("end", () => {
        const bytes = Buffer.concat(pieces);
        const { method = "", url = "", headers } = request;
        const json = headers["content-type"] === "application/json";
        const asked = { method, url, headers, body: json ? JSON.parse(bytes.toString()) : {}, bytes };
        this.asked.push(asked);
        const answer = this.answers.length > 1 ? this.answers.shift() : this.answers[0];
        if (answer) answer(response, asked);
        else response.writeHead(500).end();
      });
    });
  }

  static async start(...answers: Answer[]): Promise<FakeGateway> {
    const gateway = new FakeGateway();
    gateway.answers = answers;
    await new Promise<void>((resolve) => gateway.#server.listen(0, "127.0.0.1", resolve));
    return gateway;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export const said = (status: number, body: unknown, headers: Record<string, string> = {}): Answer =>
  (response) => response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));

export const failed = (status: number, code: string, headers: Record<string, string> = {}): Answer =>
  said(status, { error: { message: `it is ${code}`, type: "t", param: "model", code } }, headers);

export const cut: Answer = (response) => void response.destroy();

/** A stream of these pieces; "cut" ends the connection without an end. */
export const streamed = (...pieces: string[]): Answer => (response) => {
  response.writeHead(200, { "content-type": "text/event-stream", "x-olo-run-id": "run-1" });
  const broken = pieces.at(-1) === "cut";
  const written = (broken ? pieces.slice(0, -1) : pieces).join("");
  if (broken) response.write(written, () => response.destroy());
  else response.end(written);
};

/** Bytes; "cut" ends the connection without an end. */
export const file = (...pieces: string[]): Answer => (response) => {
  response.writeHead(200, { "content-type": "application/x-tar" });
  if (pieces.at(-1) === "cut") response.write(pieces.slice(0, -1).join(""), () => response.destroy());
  else response.end(pieces.join(""));
};

export const delta = (text: string, id: string): string => `id: ${id}\n${chunk({ delta: { content: text } })}`;
export const reset = (reason: string): string => `id: 0-00000000\n${chunk({ delta: {} }, { olo: { reset: reason } })}`;
export const END = `${chunk({ delta: {}, finish_reason: "stop" }, { olo: { run_id: "run-1" } })}data: [DONE]\n\n`;
export const inStream = (code: string, type: string): string =>
  `data: ${JSON.stringify({ error: { message: `it is ${code}`, type, code } })}\n\ndata: [DONE]\n\n`;

function chunk(choice: unknown, more: object = {}): string {
  return `data: ${JSON.stringify({ choices: [choice], ...more })}\n\n`;
}
