// The package ollama for Node.
import assert from "node:assert/strict";
import { Ollama } from "ollama";

const client = new Ollama({ host: process.env.OLO_URL });
const { models } = await client.list();
assert(models.some((model) => model.name === "olo-demo:latest"));
const asked = { model: "olo-demo", messages: [{ role: "user", content: "Why?" }], options: { temperature: 0, num_predict: 8 } };
const whole = await client.chat(asked);
let text = "";
for await (const part of await client.chat({ ...asked, stream: true })) text += part.message.content;
assert.equal(text, whole.message.content);
await assert.rejects(client.chat({ ...asked, model: "none" }), /there is no model/);
