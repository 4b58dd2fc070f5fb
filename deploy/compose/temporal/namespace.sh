#!/bin/sh
# Makes the namespace of all runs. Finished runs are kept for three days, less than the files of large payloads are.
set -eu

until temporal operator cluster health --address "$TEMPORAL_ADDRESS"; do sleep 1; done
temporal operator namespace describe --namespace default --address "$TEMPORAL_ADDRESS" ||
    temporal operator namespace create --namespace default --retention 72h --address "$TEMPORAL_ADDRESS"
