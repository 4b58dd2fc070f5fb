"""LangChain, with its integrations of OpenAI, Ollama and Anthropic."""

import os

import httpx
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_ollama import ChatOllama, OllamaEmbeddings, OllamaLLM
from langchain_openai import ChatOpenAI

url = os.environ["OLO_URL"]
models = [
    ChatOpenAI(model="olo-demo", base_url=f"{url}/v1", api_key="unused", temperature=0, max_tokens=16),
    ChatOllama(model="olo-demo", base_url=url, temperature=0, num_predict=16, validate_model_on_init=True),
    ChatAnthropic(model="olo-demo", base_url=url, api_key="unused", max_tokens=16),
]
said = [SystemMessage("Be brief."), HumanMessage("Where does the Nile rise?")]
answers = []
for model in models:
    whole = model.invoke(said)
    assert whole.content, model
    assert whole.usage_metadata["output_tokens"] > 0, model
    text = "".join(part.text for part in model.stream(said))
    assert text, model
    assert (ChatPromptTemplate.from_messages([("human", "{question}")]) | model).invoke({"question": "Why?"}).content
    answers.append((whole.content, text))
assert answers[0] == answers[1], answers
assert answers[0][0] == answers[0][1], answers
assert OllamaLLM(model="olo-demo", base_url=url, num_predict=8, temperature=0).invoke("Where does the Nile rise?")
listed = httpx.get(f"{url}/api/tags").json()["models"]
embedder = next(each["name"] for each in listed if each["capabilities"] == ["embedding"])
vectors = OllamaEmbeddings(model=embedder, base_url=url).embed_documents(["harbour", "tram"])
assert len(vectors) == 2
assert len(vectors[0]) == len(vectors[1]) > 1
