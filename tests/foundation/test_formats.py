"""Addresses that an operator may write into a setting."""

import pytest

from eloquent.foundation.formats import http_url


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:11434",
        "http://0.0.0.0:11434",
        "http://[::1]:8080/v1",
        "http://ollama:11434",
        "https://key:secret@models.example.org/v1",
        "http://10.0.0.7",
        "https://vpce-1.bedrock-runtime.eu-central-1.vpce.amazonaws.com",
    ],
)
def test_an_operator_may_name_any_host(url: str) -> None:
    assert http_url(f"{url}/") == url


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://[fd00:ec2::254]/latest",
        "http://[::ffff:169.254.169.254]/",
        "http://[fe80::1]/",
        "http://100.100.100.200/",
        "http://224.0.0.1/",
        "http://models.example.org:99999",
        "http://models.example.org:x",
        "http://models.example.org\\@127.0.0.1/",
        "http://models.example.org/ v1",
        "http://models.example.org/\r\nHost: x",
        "http://models.example.org/#v1",
        "http://[::1",
        "file:///etc/passwd",
        "http://",
    ],
)
def test_what_leads_to_a_machines_secrets_or_can_be_read_twice_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        http_url(url)
