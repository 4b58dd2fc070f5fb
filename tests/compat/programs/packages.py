"""The packages openai, ollama and anthropic, in the newest versions that fit together."""

import os

import anthropic
import ollama
import openai

url = os.environ["OLO_URL"]
said = [{"role": "user", "content": "When did the harbour tram of Saltmere begin to run?"}]
rag = {"collection": "demo", "top_k": 4}

client = openai.OpenAI(base_url=f"{url}/v1", api_key="unused")
assert "olo-demo" in [model.id for model in client.models.list()]
answer = client.chat.completions.create(model="auto", messages=said, temperature=0, extra_body={"rag": rag})
assert "1908" in answer.choices[0].message.content
message = anthropic.Anthropic(base_url=url, api_key="unused").messages.create(
    model="auto", max_tokens=64, messages=said, extra_body={"rag": rag}
)
assert message.content[0].text
assert ollama.Client(host=url).chat("olo-demo", messages=said, options={"num_predict": 8}).message.content
