// The package openai for Node.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: `${process.env.OLO_URL}/v1`, apiKey: "unused" });
const models = [];
for await (const model of client.models.list()) models.push(model.id);
assert(models.includes("olo-demo"));
const asked = {
  model: "auto",
  temperature: 0,
  messages: [{ role: "user", content: "When did the harbour tram of Saltmere begin to run?" }],
  rag: { collection: "demo", top_k: 4 },
};
const whole = await client.chat.completions.create(asked);
assert.match(whole.choices[0].message.content, /1908/);
let text = "";
const stream = await client.chat.completions.create({ ...asked, stream: true, stream_options: { include_usage: true } });
for await (const chunk of stream) {
  text += chunk.choices[0]?.delta?.content ?? "";
  if (chunk.usage) assert(chunk.usage.completion_tokens > 0);
}
assert.equal(text, whole.choices[0].message.content);
await assert.rejects(client.chat.completions.create({ ...asked, model: "none" }), OpenAI.NotFoundError);
