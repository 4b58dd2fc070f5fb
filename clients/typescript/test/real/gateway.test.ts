/** Against the gateway at OLO_URL, with the sample documents in the collection `demo`. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ConflictError, InvalidRequestError, NotFoundError, Olo } from "@olo/client";

const url = process.env["OLO_URL"];
assert.ok(url, "OLO_URL names the gateway");
const olo = new Olo({ baseURL: url });
const QUESTION = "When did the harbour tram of Saltmere begin to run?";
const RAG = { collection: "demo", top_k: 4 };

test("an answer with its citations, and its run", async () => {
  const answer = await olo.chat({ messages: QUESTION, rag: RAG });
  assert.match(answer.choices[0]?.message.content ?? "", /1908/);
  assert.ok(answer.olo.citations[0]?.source.endsWith("tram.md"));
  const trace = await olo.runs.trace(answer.olo.run_id);
  assert.ok(trace.steps.some((step) => step.name === "generate" && step.end !== null && step.end >= step.start));
  const run = await olo.runs.get(answer.olo.run_id);
  assert.equal(run.state, "completed");
  assert.equal(run.answer?.choices[0]?.message.content, answer.choices[0]?.message.content);
});

test("a stream is the stored answer, and can be followed afterwards", async () => {
  let text = "";
  let runId = "";
  for await (const event of olo.chatStream({ messages: QUESTION, rag: RAG }, { idempotencyKey: "typescript-1" })) {
    if (event.type === "started") runId = event.runId;
    if (event.type === "delta") text += event.text;
    if (event.type === "completed") {
      assert.equal(event.text, text);
      assert.ok(event.usage && event.usage.total_tokens > 0);
      assert.equal(event.details.run_id, runId);
    }
  }
  assert.equal((await olo.runs.get(runId)).answer?.choices[0]?.message.content, text);
  let again = "";
  for await (const event of olo.follow(runId)) if (event.type === "delta") again += event.text;
  assert.equal(again, text);
  const same = await olo.chat({ messages: QUESTION, rag: RAG }, { idempotencyKey: "typescript-1" });
  assert.equal(same.olo.run_id, runId);
  await assert.rejects(olo.chat({ messages: "Another" }, { idempotencyKey: "typescript-1" }), ConflictError);
});

test("a stream that is cut on its way goes on with the next character", async () => {
  const whole = await olo.chat({ messages: QUESTION, rag: RAG });
  let cuts = 0;
  const cutting: typeof fetch = async (...given) => {
    const response = await fetch(...given);
    if (cuts >= 3 || !response.headers.get("content-type")?.startsWith("text/event-stream")) return response;
    cuts += 1;
    const body = response.body?.pipeThrough(new TransformStream<Uint8Array, Uint8Array>(cutAfterADelta()));
    return new Response(body ?? null, { status: response.status, headers: response.headers });
  };
  const unlucky = new Olo({ baseURL: url, fetch: cutting });
  let text = "";
  for await (const event of unlucky.chatStream({ messages: QUESTION, rag: RAG })) {
    if (event.type === "delta") text += event.text;
    if (event.type === "reset") text = "";
    if (event.type === "completed") assert.equal(event.text, text);
  }
  assert.ok(cuts > 0);
  assert.equal(text, whole.choices[0]?.message.content);
});

function cutAfterADelta(): Transformer<Uint8Array, Uint8Array> {
  return {
    transform(piece, controller) {
      controller.enqueue(piece);
      if (new TextDecoder().decode(piece).includes("id: ")) controller.error(new TypeError("the network is gone"));
    },
  };
}

test("models, runs, rankings and status", async () => {
  const models = await olo.models.list();
  assert.ok(models.some((model) => model.id === "olo-demo" && model.available));
  assert.equal((await olo.models.get("olo-demo")).type, "llm");
  const found = [];
  for await (const run of olo.runs.list(3)) found.push(run);
  assert.equal(found.length, 3);
  assert.ok((await olo.routing.rankings()).models.length > 0);
  assert.ok((await olo.routing.status()).serving);
});

test("errors are named", async () => {
  await assert.rejects(olo.chat({ messages: "x", model: "nobody" }), (error) => {
    return error instanceof NotFoundError && error.reason === "model_not_found" && error.field === "model";
  });
  await assert.rejects(olo.chat({ messages: "x", temperature: -1 }), (error) => {
    return error instanceof InvalidRequestError && error.field === "temperature";
  });
  await assert.rejects(olo.runs.get("run-that-never-was"), NotFoundError);
});

test("a document goes in, and a search finds it", async () => {
  await olo.collections.create({ name: "typescript" });
  const [result] = await olo.documents.ingest("typescript", [
    { document_id: "ferry", title: "The ferry", source: "ferry.md", content: "The ferry of Saltmere sails at noon." },
  ]);
  assert.equal(result?.error ?? null, null);
  assert.equal((await olo.documents.settled("typescript", "ferry")).state, "ready");
  const [passage] = await olo.collections.search({ collection: "typescript", query: "When does the ferry sail?" });
  assert.match(passage?.text ?? "", /noon/);
  const taken = await olo.collections.importFile(olo.collections.export("typescript"), { name: "again" });
  assert.deepEqual([taken.collection.name, taken.documents_to_index], ["again", 0]);
  const [same] = await olo.collections.search({ collection: "again", query: "When does the ferry sail?" });
  assert.equal(same?.text, passage?.text);
  await olo.collections.delete("again");
  await olo.documents.delete("typescript", "ferry");
  await olo.collections.delete("typescript");
});

test("texts that mean the same have vectors that are near", async () => {
  const { vectors } = await olo.embed(["a harbour tram", "a tram at the harbour", "income tax"]);
  const dot = (a = 0, b = 0): number =>
    (vectors[a] ?? []).reduce((sum, value, index) => sum + value * (vectors[b]?.[index] ?? 0), 0);
  assert.ok(dot(0, 1) > dot(0, 2));
});
