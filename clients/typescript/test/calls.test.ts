import assert from "node:assert/strict";
import { test } from "node:test";

import {
  ConflictError,
  ExhaustedError,
  InvalidRequestError,
  NotFoundError,
  Olo,
  OloError,
  TimeoutError,
  UnavailableError,
} from "@olo/client";

import { cut, FakeGateway, failed, said } from "./fake_gateway.ts";

const COMPLETION = { choices: [{ message: { content: "Hi" } }], olo: { run_id: "run-1", citations: [] } };

test("a question is a conversation of one turn, with a key of its own", async () => {
  await using gateway = await FakeGateway.start(said(200, COMPLETION));
  const olo = new Olo({ baseURL: `${gateway.url}/`, apiKey: "k", headers: { "x-team": "blue" } });
  const request = { messages: "Hello", model: "m", temperature: 0, rag: { collection: "c", top_k: 2 } };
  const answer = await olo.chat(request, { priority: "batch", timeout: 50_000 });
  assert.equal(answer.choices[0]?.message.content, "Hi");
  const [asked] = gateway.asked;
  assert.equal(asked?.url, "/v1/chat/completions");
  assert.deepEqual(asked?.body, { ...request, messages: [{ role: "user", content: "Hello" }] });
  assert.match(String(asked?.headers["idempotency-key"]), /^[0-9a-f-]{36}$/);
  assert.equal(asked?.headers["x-request-timeout"], "50");
  assert.equal(asked?.headers["x-request-priority"], "batch");
  assert.equal(asked?.headers["authorization"], "Bearer k");
  assert.equal(asked?.headers["x-team"], "blue");
});

test("what fails in passing is tried again with the same key", async () => {
  const running = said(200, { state: "running" });
  await using gateway = await FakeGateway.start(cut, failed(503, "gateway_stopping"), running, said(200, COMPLETION));
  await new Olo({ baseURL: gateway.url }).chat({ messages: "Hello" });
  const chats = gateway.asked.filter((asked) => asked.method === "POST");
  assert.equal(chats.length, 3);
  assert.equal(new Set(chats.map((asked) => asked.headers["idempotency-key"])).size, 1);
  assert.equal(gateway.asked.find((asked) => asked.method === "GET")?.url, `/v1/runs/run-${chats[0]?.headers["idempotency-key"]}`);
});

test("a run that has failed is not asked for again", async () => {
  await using gateway = await FakeGateway.start(failed(503, "dependency_unavailable"), said(200, { state: "failed" }));
  const asking = new Olo({ baseURL: gateway.url }).chat({ messages: "Hello" });
  await assert.rejects(asking, (error) => error instanceof UnavailableError && error.runFailed);
  assert.equal(gateway.asked.length, 2);
});

test("one that is refused for overload comes back when it was told to", async () => {
  const refused = failed(429, "overloaded", { "retry-after": "1" });
  await using gateway = await FakeGateway.start(refused, said(200, COMPLETION));
  await new Olo({ baseURL: gateway.url }).chat({ messages: "Hello" });
  assert.equal(gateway.asked.length, 2);
  gateway.answers = [failed(429, "overloaded", { "retry-after": "3600" })];
  const asking = new Olo({ baseURL: gateway.url }).chat({ messages: "Hello" });
  await assert.rejects(asking, (error) => error instanceof ExhaustedError && error.retryAfter === 3600);
});

test("a request is new until a try may have been accepted", async () => {
  const refused = failed(429, "overloaded", { "retry-after": "0" });
  const away = failed(503, "gateway_stopping");
  const none = said(404, {});
  await using gateway = await FakeGateway.start(refused, refused, away, none, refused, none, said(200, COMPLETION));
  await new Olo({ baseURL: gateway.url }).chat({ messages: "Hello" });
  const told = gateway.asked.filter((asked) => asked.method === "POST").map((asked) => asked.headers["x-request-new"]);
  assert.deepEqual(told, ["true", "true", "true", undefined, undefined]);
  // While it is new, nobody has to be asked what has become of it.
  assert.equal(gateway.asked.length, 7);
});

test("one with a key of the caller's may have been asked before", async () => {
  const refused = failed(429, "overloaded", { "retry-after": "0" });
  await using gateway = await FakeGateway.start(refused, said(404, {}), said(200, COMPLETION));
  await new Olo({ baseURL: gateway.url }).chat({ messages: "Hello" }, { idempotencyKey: "mine" });
  assert.deepEqual(gateway.asked.map((asked) => asked.headers["x-request-new"]), [undefined, undefined, undefined]);
});

test("errors have a class, a reason and the place", async () => {
  const rows: [number, typeof OloError][] = [
    [400, InvalidRequestError],
    [412, InvalidRequestError],
    [416, InvalidRequestError],
    [404, NotFoundError],
    [409, ConflictError],
    [429, ExhaustedError],
    [503, UnavailableError],
    [504, TimeoutError],
    [500, OloError],
  ];
  for (const [status, kind] of rows) {
    await using gateway = await FakeGateway.start(failed(status, "why", { "x-request-id": "call-1" }));
    await assert.rejects(new Olo({ baseURL: gateway.url }).models.list(), (error) => {
      assert.ok(error instanceof OloError);
      assert.equal(error.constructor, kind);
      assert.equal(error.name, kind.name);
      const { reason, field, requestId, message } = error;
      assert.deepEqual({ reason, field, requestId, message }, {
        reason: "why",
        field: "model",
        requestId: "call-1",
        message: "it is why",
      });
      return error.status === status;
    });
    assert.equal(gateway.asked.length, 1);
  }
});

test("an answer that is no JSON, and a gateway that is not there, are named", async () => {
  let url = "";
  {
    await using gateway = await FakeGateway.start((response) => void response.writeHead(502).end("<html>"));
    url = gateway.url;
    await assert.rejects(new Olo({ baseURL: url }).models.list(), { name: "UnavailableError", reason: "unknown" });
  }
  await assert.rejects(new Olo({ baseURL: url, attempts: 2 }).models.list(), { reason: "gateway_not_reachable" });
});

test("the time bounds all tries, and the caller's wish ends them", async () => {
  await using gateway = await FakeGateway.start(() => undefined);
  const olo = new Olo({ baseURL: gateway.url });
  await assert.rejects(olo.models.list({ timeout: 100 }), { name: "TimeoutError", reason: "deadline_exceeded" });
  const leaving = new AbortController();
  const asking = olo.models.list({ signal: leaving.signal });
  leaving.abort(new Error("enough"));
  await assert.rejects(asking, /enough/);
});

test("who leaves a chat cancels its run, unless it is kept", async () => {
  for (const [key, cancelled] of [[undefined, true], ["mine", false]] as const) {
    const leaving = new AbortController();
    await using gateway = await FakeGateway.start(() => leaving.abort(), said(200, {}));
    const options = { signal: leaving.signal, ...(key ? { idempotencyKey: key } : {}) };
    await assert.rejects(new Olo({ baseURL: gateway.url }).chat({ messages: "Hello" }, options), { name: "AbortError" });
    const chat = gateway.asked[0]?.headers["idempotency-key"];
    const after = gateway.asked.slice(1).map((asked) => `${asked.method} ${asked.url}`);
    assert.deepEqual(after, cancelled ? [`POST /v1/runs/run-${chat}/cancel`] : []);
  }
});

test("lists walk over all pages, as far as they are read", async () => {
  const page = (first: number, next: string | null) =>
    said(200, { data: [{ id: `${first}` }, { id: `${first + 1}` }], next_page_token: next });
  await using gateway = await FakeGateway.start(page(1, "b"), page(3, null));
  const olo = new Olo({ baseURL: gateway.url });
  const found: string[] = [];
  for await (const run of olo.runs.list(3)) found.push(run.id);
  assert.deepEqual(found, ["1", "2", "3"]);
  assert.deepEqual(gateway.asked.map((asked) => asked.url), ["/v1/runs?limit=3", "/v1/runs?limit=1&page_token=b"]);
});

test("where the time of a run went is asked for by its id", async () => {
  const steps = [{ name: "queue", start: 1, end: 2.5 }];
  await using gateway = await FakeGateway.start(said(200, { id: "run/1", steps }));
  const trace = await new Olo({ baseURL: gateway.url }).runs.trace("run/1");
  assert.deepEqual(trace.steps, steps);
  assert.equal(gateway.asked[0]?.url, "/v1/runs/run%2F1/trace");
});
