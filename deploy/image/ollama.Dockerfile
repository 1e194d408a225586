# Ollama with one model inside: a host that is replaced fetches this from our registry, and nothing from the internet.
#   docker build -f deploy/image/ollama.Dockerfile --build-arg MODEL=llama3.1:8b -t … deploy/image
# The version is OLLAMA_VERSION of deploy/naming.py; a test compares.
ARG OLLAMA_VERSION=0.13.5
FROM ollama/ollama:${OLLAMA_VERSION}

ARG MODEL
ENV OLLAMA_MODELS=/models \
    OLLAMA_HOST=127.0.0.1:11435 \
    OLLAMA_KEEP_ALIVE=-1 \
    OLLAMA_MODEL=${MODEL} \
    HOME=/tmp

# Speaks TLS in front of it. The distribution's newest: what is mended there comes with the next build.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends stunnel4 \
    && rm -rf /var/lib/apt/lists/*

# A build without a model fails here. The server is there for as long as the model is fetched, and ended by its number.
# hadolint ignore=DL3001
RUN test -n "${MODEL}" \
    && { ollama serve & } \
    && server=$! \
    && until ollama list > /dev/null 2>&1; do sleep 1; done \
    && ollama pull "${MODEL}" \
    && kill "${server}" \
    && chmod -R a+rX /models \
    && rm -rf /tmp/.ollama

COPY --chmod=0555 ollama-entry.sh /usr/local/bin/ollama-entry
COPY --chmod=0555 ollama-tls.sh /usr/local/bin/ollama-tls
COPY --chmod=0444 ollama-tls.conf /etc/eloquent/ollama-tls.conf

# The root of the task is read-only; Ollama keeps a key of its own in its home.
VOLUME ["/tmp"]
USER 10001
EXPOSE 11434
ENTRYPOINT ["/usr/local/bin/ollama-entry"]
