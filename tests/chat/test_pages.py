"""The shells of the chat page and the account page: for everybody, with nothing of anybody's, under a strict policy."""

import re

import httpx
import pytest


@pytest.mark.parametrize("path", ["/", "/account", "/account/exports"])
async def test_a_page_runs_its_own_scripts_alone_and_is_asked_for_anew(server: str, path: str) -> None:
    async with httpx.AsyncClient(base_url=server, timeout=30) as client:
        pages = [await client.get(path) for _ in range(2)]
    for page in pages:
        assert page.status_code == 200
        policy = page.headers["content-security-policy"]
        nonce = re.search(r"script-src 'nonce-([\w-]{22})';", policy)
        assert nonce, policy
        assert set(re.findall(r"<script\b[^>]*nonce=\"([^\"]*)\"", page.text)) == {nonce[1]}
        assert len(re.findall("<script", page.text)) == len(re.findall("<script[^>]* nonce=", page.text))
        for rule in ("default-src 'none'", "require-trusted-types-for 'script'", "frame-ancestors 'none'"):
            assert rule in policy
        assert "unsafe" not in policy
        assert page.headers["cache-control"] == "no-cache"
        assert "style=" not in page.text
    assert pages[0].headers["content-security-policy"] != pages[1].headers["content-security-policy"]


async def test_search_engines_are_kept_from_the_account_page(server: str) -> None:
    async with httpx.AsyncClient(base_url=server, timeout=30) as client:
        assert (await client.get("/account")).headers["x-robots-tag"] == "noindex"
        assert "x-robots-tag" not in (await client.get("/")).headers


async def test_the_account_page_says_how_long_an_erasure_can_be_taken_back(server: str) -> None:
    async with httpx.AsyncClient(base_url=server, timeout=30) as client:
        assert "it cannot be taken back" in (await client.get("/account")).text
