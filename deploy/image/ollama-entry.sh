#!/bin/sh
# Serves, and loads the model before anybody asks: the health check waits for that (see deploy/stacks/model.py).
set -eu

ollama serve &
server=$!
trap 'kill -TERM "$server"' TERM INT

until ollama list > /dev/null 2>&1; do
    kill -0 "$server" # a server that ended ends us
    sleep 1
done
ollama run "$OLLAMA_MODEL" "" > /dev/null

# The first `wait` ends with the signal, the second with the server.
wait "$server" || wait "$server"
