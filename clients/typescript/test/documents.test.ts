import assert from "node:assert/strict";
import { test } from "node:test";

import { Olo } from "@olo/client";

import { cut, FakeGateway, failed, file, said } from "./fake_gateway.ts";

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

test("a collection leaves as bytes, and one that breaks off is an error", async () => {
  await using gateway = await FakeGateway.start(failed(503, "dependency_unavailable"), file("sealed ", "file"), file("sealed ", "cut"));
  const olo = new Olo({ baseURL: gateway.url });
  assert.equal(await textOf(olo.collections.export("c d", { vectors: false })), "sealed file");
  assert.equal(gateway.asked.at(-1)?.url, "/v1/rag/export?collection=c+d&vectors=false");
  await assert.rejects(textOf(olo.collections.export("c")), { name: "UnavailableError" });
  assert.equal(gateway.asked.at(-1)?.url, "/v1/rag/export?collection=c&vectors=true");
  assert.equal(gateway.asked.length, 3);
  gateway.answers = [failed(404, "collection_not_found")];
  await assert.rejects(textOf(olo.collections.export("c")), { name: "NotFoundError" });
});

test("who has seen enough of a collection leaves", async () => {
  await using gateway = await FakeGateway.start(file("sealed"));
  for await (const piece of new Olo({ baseURL: gateway.url }).collections.export("c")) {
    assert.ok(piece.length > 0);
    break;
  }
});

test("a collection is made of bytes, of a blob and of what another one gives", async () => {
  const taken = said(200, { collection: { name: "d" }, documents_to_index: 2 });
  await using gateway = await FakeGateway.start(file("sealed file"), taken);
  const olo = new Olo({ baseURL: gateway.url });
  const blob = new Blob(["sealed file"]);
  for (const source of [olo.collections.export("c"), new TextEncoder().encode("sealed file"), blob, blob.stream()]) {
    const told = await olo.collections.importFile(source, { name: "d", embeddingModel: "auto" });
    assert.equal(told.documents_to_index, 2);
    const asked = gateway.asked.at(-1);
    assert.equal(asked?.bytes.toString(), "sealed file");
    assert.equal(`${asked?.method} ${asked?.url}`, "POST /v1/rag/import?collection=d&embedding_model=auto");
    assert.equal(asked?.headers["content-type"], "application/x-tar");
  }
  await olo.collections.importFile(new Uint8Array(1));
  assert.equal(gateway.asked.at(-1)?.url, "/v1/rag/import");
});

test("a collection is sent once", async () => {
  await using gateway = await FakeGateway.start(failed(503, "dependency_unavailable"));
  const olo = new Olo({ baseURL: gateway.url });
  await assert.rejects(olo.collections.importFile(new Uint8Array(1)), { name: "UnavailableError" });
  gateway.answers = [failed(409, "collection_exists")];
  await assert.rejects(olo.collections.importFile(new Uint8Array(1)), { name: "ConflictError" });
  assert.equal(gateway.asked.length, 2);
});

async function textOf(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of pieces) text += decoder.decode(piece, { stream: true });
  return text;
}
