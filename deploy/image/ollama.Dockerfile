# Ollama with one model inside: a host that is replaced fetches this from our registry, and nothing from the internet.
#   docker build -f deploy/image/ollama.Dockerfile --build-arg MODEL=llama3.1:8b -t … deploy/image
# The version is OLLAMA_VERSION of deploy/naming.py; a test compares.
ARG OLLAMA_VERSION=0.13.5
FROM ollama/ollama:${OLLAMA_VERSION}

ARG MODEL
ENV OLLAMA_MODELS=/models \
    OLLAMA_HOST=0.0.0.0:11434 \
    OLLAMA_KEEP_ALIVE=-1 \
    OLLAMA_MODEL=${MODEL} \
    HOME=/tmp

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

# The root of the task is read-only; Ollama keeps a key of its own in its home.
VOLUME ["/tmp"]
USER 10001
EXPOSE 11434
ENTRYPOINT ["/usr/local/bin/ollama-entry"]
