"""As much of curl as the README uses, for machines without it: `python -m tests.curl -sSN URL -H HEADER -d BODY`."""

import argparse
import sys

import httpx

TIMEOUT_S = 60


def main() -> None:
    """Send the request (POST when there is a body) and print what comes, as it comes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-d", dest="body")
    for flag in "sSN":
        parser.add_argument(f"-{flag}", action="store_true")
    asked = parser.parse_args()
    headers = dict(header.split(": ", 1) for header in asked.headers)
    method = "GET" if asked.body is None else "POST"
    with httpx.stream(method, asked.url, headers=headers, content=asked.body, timeout=TIMEOUT_S) as answer:
        for text in answer.iter_text():
            sys.stdout.write(text)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
