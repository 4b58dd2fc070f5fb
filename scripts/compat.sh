#!/bin/sh
# Installs the client libraries of others for `make compat` into a place of its own: they are no part of this project.
set -eu

target=$1
uv=$2

[ -x "$target/bin/python" ] || "$uv" venv --quiet --python python3 "$target"
"$uv" pip install --quiet --python "$target/bin/python" openai ollama anthropic litellm \
	langchain-openai langchain-ollama langchain-anthropic llama-index-llms-openai-like llama-index-llms-ollama
command -v npm >/dev/null || { echo "npm is needed for the clients of Node" >&2; exit 1; }
[ -d "$target/node_modules/openai" ] && [ -d "$target/node_modules/ollama" ] && exit 0
npm install --silent --no-audit --no-fund --prefix "$target" openai ollama
