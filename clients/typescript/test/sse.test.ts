import assert from "node:assert/strict";
import { test } from "node:test";

import { serverEvents } from "../src/sse.ts";

function body(...pieces: Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
}

async function read(...pieces: Uint8Array[]): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const event of serverEvents(body(...pieces))) found.push(event);
  return found;
}

const TEXT = ': parked\n\nid: 1-a\ndata: {"x":"ä€"}\n\ndata: two\r\ndata:  lines\r\n\r\nevent: ping\rdata\r\rdata: cut off';
const EVENTS = [
  { data: "", id: "", comment: "parked" },
  { data: '{"x":"ä€"}', id: "1-a" },
  { data: "two\n lines", id: "1-a" },
  { data: "", id: "1-a" },
];

test("events are the same wherever the network cuts them", async () => {
  const bytes = new TextEncoder().encode(TEXT);
  assert.deepEqual(await read(bytes), EVENTS);
  for (let cut = 1; cut < bytes.length; cut++) {
    assert.deepEqual(await read(bytes.slice(0, cut), bytes.slice(cut)), EVENTS, `cut at ${cut}`);
  }
  assert.deepEqual(await read(...[...bytes].map((byte) => Uint8Array.of(byte))), EVENTS);
});

test("a body is let go where its reader leaves", async () => {
  let cancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(new TextEncoder().encode("data: x\n\n"));
    },
    cancel() {
      cancelled = true;
    },
  });
  for await (const event of serverEvents(endless)) {
    assert.equal(event.data, "x");
    break;
  }
  assert.ok(cancelled);
});
