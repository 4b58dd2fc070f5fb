import assert from "node:assert/strict";
import { test } from "node:test";

import { Olo } from "@olo/client";

import { cut, FakeGateway, failed, said } from "./fake_gateway.ts";

const document = (state: string, percent: number) => said(200, { document_id: "a/b", state, percent });

test("vectors come in the order of the texts", async () => {
  const data = [{ index: 1, embedding: [2] }, { index: 0, embedding: [1] }];
  await using gateway = await FakeGateway.start(said(200, { model: "m", data, usage: { prompt_tokens: 3 } }));
  const told = await new Olo({ baseURL: gateway.url }).embed(["one", "two"], { model: "m" });
  assert.deepEqual(told, { model: "m", vectors: [[1], [2]], promptTokens: 3 });
  assert.deepEqual(gateway.asked[0]?.body, { input: ["one", "two"], encoding_format: "float", model: "m" });
});

test("an indexing is followed to its end", async () => {
  await using gateway = await FakeGateway.start(document("indexing", 0), document("indexing", 50), document("ready", 50));
  const told: number[] = [];
  const olo = new Olo({ baseURL: gateway.url });
  const settled = await olo.documents.settled("c", "a/b", { progress: (percent) => told.push(percent) });
  assert.equal(settled.state, "ready");
  assert.deepEqual(told, [0, 50, 100]);
  assert.equal(gateway.asked[0]?.url, "/v1/rag/documents/a%2Fb?collection=c");
  gateway.answers = [document("indexing", 0)];
  await assert.rejects(olo.documents.settled("c", "a/b", { wait: 0 }), { name: "TimeoutError" });
});

test("documents are sent, searched and removed", async () => {
  await using gateway = await FakeGateway.start(
    said(200, { results: [{ document: {} }] }),
    said(200, { passages: [{ text: "x" }] }),
    said(200, { deleted: true }),
  );
  const olo = new Olo({ baseURL: gateway.url });
  assert.equal((await olo.documents.ingest("c", [{ content: "text", title: "T" }])).length, 1);
  assert.equal((await olo.collections.search({ collection: "c", query: "q", top_k: 1 }))[0]?.text, "x");
  await olo.documents.delete("c", "d");
  assert.deepEqual(
    gateway.asked.map((asked) => `${asked.method} ${asked.url}`),
    ["POST /v1/rag/ingest", "POST /v1/rag/search", "DELETE /v1/rag/documents/d?collection=c"],
  );
});

test("what cannot be repeated is tried once", async () => {
  await using gateway = await FakeGateway.start(cut, failed(409, "collection_exists"));
  const olo = new Olo({ baseURL: gateway.url });
  await assert.rejects(olo.collections.create({ name: "c" }), { reason: "gateway_not_reachable" });
  assert.equal(gateway.asked.length, 1);
});
