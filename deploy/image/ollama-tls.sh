#!/bin/sh
# Speaks TLS on the network for an Ollama that listens inside its own task alone (see deploy/stacks/model.py).
set -eu

umask 077
printf '%s\n' "$IDENTITY" > /tmp/IDENTITY.pem
unset IDENTITY
exec stunnel /etc/eloquent/ollama-tls.conf
