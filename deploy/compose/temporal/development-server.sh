#!/bin/sh
# Temporal's development server, with the dynamic configuration beside this file: what stands in where no registry
# serves Temporal's images.
set -eu

options=$(sed -n 's/^\([a-zA-Z.]*\): \[{value: \(.*\)}\]$/--dynamic-config-value \1=\2/p' "$(dirname "$0")/olo.yaml")
# shellcheck disable=SC2086 - one word for each option
exec temporal server start-dev --ip 0.0.0.0 --port 7233 --ui-port 8233 --log-level warn --namespace default \
    --db-filename /data/temporal.db --sqlite-pragma journal_mode=wal --sqlite-pragma synchronous=full $options
