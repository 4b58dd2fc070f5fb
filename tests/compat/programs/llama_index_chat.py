"""LlamaIndex, with its integrations of servers like OpenAI's and of Ollama."""

import os

from llama_index.core.llms import ChatMessage
from llama_index.llms.ollama import Ollama
from llama_index.llms.openai_like import OpenAILike

url = os.environ["OLO_URL"]
models = [
    OpenAILike(
        model="olo-demo",
        api_base=f"{url}/v1",
        api_key="unused",
        is_chat_model=True,
        temperature=0,
        max_tokens=16,
    ),
    Ollama(model="olo-demo", base_url=url, temperature=0, additional_kwargs={"num_predict": 16}, request_timeout=60),
]
said = [ChatMessage(role="user", content="Where does the Nile rise?")]
for model in models:
    whole = model.chat(said).message.content
    assert whole, model
    *_, last = model.stream_chat(said)
    assert last.message.content == whole, (model, last, whole)
    assert model.complete("Where does the Nile rise?").text, model
