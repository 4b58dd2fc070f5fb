#!/bin/sh
# Installs what the benchmark llm_peers measures the llm-worker beside, into a place of its own: torch and llama.cpp are
# no part of this project. llama.cpp's server is built from the sources that the package llama-cpp-python carries.
set -eu

target=$1
llama=llama-cpp-python==0.3.36
python=$target/bin/python

mkdir -p "$target"
[ -x "$python" ] || python3 -m venv "$target"
"$python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 "transformers>=5.0" gguf

[ -x "$target/bin/llama-server" ] && exit 0
for tool in cmake ninja g++; do
	command -v $tool >/dev/null || { echo "llama.cpp is left out: $tool is not installed"; exit 0; }
done
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --no-binary llama-cpp-python --dest "$target/src" $llama
tar -xzf "$target"/src/llama_cpp_python-*.tar.gz -C "$target/src"
cmake -S "$target"/src/llama_cpp_python-*/vendor/llama.cpp -B "$target/build" -G Ninja -Wno-dev \
	-DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DGGML_NATIVE=ON -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF \
	-DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF >"$target/build.log"
ninja -C "$target/build" llama-server >>"$target/build.log"
cp "$target/build/bin/llama-server" "$target/bin/"
rm -rf "$target/src" "$target/build"
