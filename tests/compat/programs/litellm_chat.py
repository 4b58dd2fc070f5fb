"""LiteLLM as a client, by each of its providers that the gateway speaks."""

import os

import litellm

url = os.environ["OLO_URL"]
litellm.telemetry = False
said = [{"role": "user", "content": "Where does the Nile rise?"}]
routes = [
    {"model": "openai/olo-demo", "api_base": f"{url}/v1", "api_key": "unused"},
    {"model": "ollama_chat/olo-demo", "api_base": url},
    {"model": "ollama/olo-demo", "api_base": url},
    {"model": "anthropic/olo-demo", "api_base": url, "api_key": "unused"},
]
for route in routes:
    whole = litellm.completion(**route, messages=said, max_tokens=16, temperature=0)
    assert whole.choices[0].message.content, route
    assert whole.usage.completion_tokens > 0, route
    parts = litellm.completion(**route, messages=said, max_tokens=16, temperature=0, stream=True)
    text = "".join(part.choices[0].delta.content or "" for part in parts)
    assert text == whole.choices[0].message.content, (route, text, whole)
try:
    litellm.completion(**routes[0] | {"model": "openai/none"}, messages=said)
except litellm.NotFoundError:
    pass
else:
    raise AssertionError("a model that is not there must be an error")
