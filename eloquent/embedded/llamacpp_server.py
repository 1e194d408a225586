"""The child process that serves a GGUF model: `python -m eloquent.embedded.llamacpp_server --model FILE ...`.

A process of its own, because llama.cpp computes in our address space and would take the event loop's processor time.
"""

import argparse
import signal
import sys

from eloquent.embedded.ports import LOOPBACK

# Old prompts kept to be continued, in MB. llama.cpp's own default is 8192.
PROMPT_CACHE_MB = 256
WARNINGS_ONLY = 2


def main() -> int:
    """Serves until SIGTERM or SIGINT; 1 when the model cannot be served."""
    arguments = _arguments()
    # The kernel's own way, at once: a handler in Python would wait for the model to be loaded, and closing the server
    # in order waits up to 30 s for running answers. Nothing is to be saved.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Here and not above: a missing shared library becomes a line in the log that the parent understands.
    import xllamacpp

    wishes = xllamacpp.CommonParams()
    wishes.model.path = arguments.model
    wishes.model_alias = {arguments.alias}
    wishes.hostnames = [LOOPBACK]
    wishes.port = arguments.port
    wishes.n_ctx = arguments.context * arguments.parallel
    wishes.n_parallel = arguments.parallel
    wishes.cache_ram_mib = PROMPT_CACHE_MB
    wishes.verbosity = WARNINGS_ONLY
    # Web pages of other sites could otherwise use the model, and anybody on this machine could read the prompts.
    wishes.cors_origins = ""
    wishes.ui = False
    wishes.endpoint_slots = False
    try:
        server = xllamacpp.Server(wishes)
    except Exception as error:  # noqa: BLE001 - the binding raises whatever C++ threw
        sys.stderr.write(f"cannot serve {arguments.model}: {error}\n")
        return 1
    sys.stderr.write(f"serving {arguments.alias} at {server.listening_address}\n")
    sys.stderr.flush()
    while True:
        signal.pause()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="the GGUF file")
    parser.add_argument("--alias", required=True, help="the name that clients ask for")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--context", type=int, required=True, help="tokens of each answer")
    parser.add_argument("--parallel", type=int, required=True, help="answers at once")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
