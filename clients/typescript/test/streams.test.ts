import assert from "node:assert/strict";
import { test } from "node:test";

import { type ChatEvent, Olo } from "@olo/client";

import { cut, delta, END, FakeGateway, failed, inStream, reset, said, streamed } from "./fake_gateway.ts";

async function told(gateway: FakeGateway, options = {}): Promise<ChatEvent[]> {
  const events: ChatEvent[] = [];
  for await (const event of new Olo({ baseURL: gateway.url }).chatStream({ messages: "Hello" }, options)) {
    events.push(event);
  }
  return events;
}

const brief = (events: ChatEvent[]): string[] =>
  events.map((event) => (event.type === "delta" || event.type === "completed" ? `${event.type} ${event.text}` : event.type));

test("an answer comes piece by piece", async () => {
  const progress = ": parked\n\n: keep-alive\n\n";
  const usage = 'data: {"choices":[],"usage":{"total_tokens":5}}\n\n';
  const stream = [progress, delta("One ", "4-a"), delta("two", "7-b"), END.replace("data: [DONE]", `${usage}data: [DONE]`)];
  await using gateway = await FakeGateway.start(streamed(...stream));
  const events = await told(gateway);
  assert.deepEqual(brief(events), ["started", "progress", "delta One ", "delta two", "completed One two"]);
  const last = events.at(-1);
  assert.ok(last?.type === "completed" && last.finishReason === "stop" && last.usage?.total_tokens === 5);
  assert.equal(gateway.asked[0]?.body["stream"], true);
});

test("a stream that breaks goes on after the last character, and the run is followed", async () => {
  await using gateway = await FakeGateway.start(
    streamed(delta("One ", "4-a"), "cut"),
    cut,
    failed(503, "gateway_stopping"),
    streamed(delta("two", "7-b"), END),
  );
  assert.deepEqual(brief(await told(gateway)), ["started", "delta One ", "delta two", "completed One two"]);
  const [first, ...rest] = gateway.asked;
  assert.equal(first?.method, "POST");
  assert.equal(first?.headers["x-request-new"], "true");
  for (const again of rest) {
    assert.equal(again.url, "/v1/chat/completions/chatcmpl-run-1?stream=true");
    assert.equal(again.headers["last-event-id"], "4-a");
    assert.equal(again.headers["x-request-new"], undefined);
  }
});

test("a stream that ends without an end goes on, too", async () => {
  await using gateway = await FakeGateway.start(streamed(delta("One", "3-a")), streamed(END));
  assert.deepEqual(brief(await told(gateway)), ["started", "delta One", "completed One"]);
});

test("a call that breaks before the run is known is made again with its key", async () => {
  await using gateway = await FakeGateway.start(cut, streamed(delta("One", "3-a"), END));
  await told(gateway);
  const keys = gateway.asked.map((asked) => `${asked.method} ${asked.headers["idempotency-key"]}`);
  assert.equal(new Set(keys).size, 1);
});

test("where the place is gone, or the model begins again, so does the text", async () => {
  await using gateway = await FakeGateway.start(
    streamed(delta("Bye", "3-a"), "cut"),
    failed(416, "offset_invalid"),
    streamed(delta("Hel", "3-b"), reset("worker_lost"), delta("Hello", "5-c"), END),
  );
  const events = await told(gateway);
  const expected = ["started", "delta Bye", "reset", "delta Hel", "reset", "delta Hello", "completed Hello"];
  assert.deepEqual(brief(events), expected);
  assert.equal(gateway.asked[2]?.headers["last-event-id"], undefined);
});

test("an error inside a stream is thrown, and one of the reader's pace is not", async () => {
  await using gateway = await FakeGateway.start(
    streamed(delta("One", "3-a"), inStream("client_too_slow", "cancelled_error")),
    streamed(inStream("deadline_exceeded", "timeout_error")),
  );
  await assert.rejects(told(gateway), { name: "TimeoutError", reason: "deadline_exceeded" });
  assert.equal(gateway.asked.length, 2);
});

test("who leaves a stream cancels the run, unless it is kept", async () => {
  for (const [options, calls] of [[{}, 2], [{ idempotencyKey: "mine" }, 1]] as const) {
    await using gateway = await FakeGateway.start(streamed(delta("One", "3-a"), delta("two", "6-b"), END), said(200, {}));
    for await (const event of new Olo({ baseURL: gateway.url }).chatStream({ messages: "Hello" }, options)) {
      if (event.type === "delta") break;
    }
    assert.equal(gateway.asked.length, calls);
    if (calls === 2) assert.equal(gateway.asked[1]?.url, "/v1/runs/run-1/cancel");
  }
});

test("a stream that is aborted throws the reason and cancels the run", async () => {
  const leaving = new AbortController();
  await using gateway = await FakeGateway.start(
    (response) => {
      response.writeHead(200, { "content-type": "text/event-stream", "x-olo-run-id": "run-1" });
      response.write(delta("One", "3-a"));
    },
    said(200, {}),
  );
  const events: ChatEvent[] = [];
  const reading = async (): Promise<void> => {
    for await (const event of new Olo({ baseURL: gateway.url }).chatStream({ messages: "x" }, { signal: leaving.signal })) {
      events.push(event);
      if (event.type === "delta") leaving.abort(new Error("enough"));
    }
  };
  await assert.rejects(reading(), /enough/);
  assert.equal(gateway.asked[1]?.url, "/v1/runs/run-1/cancel");
});
