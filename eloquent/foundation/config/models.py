"""Settings of language models: who answers, at what price, through which line, with which tools."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, SecretStr

from eloquent.foundation import formats, price_lists
from eloquent.foundation.config.types import HttpUrl, HttpUrls, Names, Region, Slots, checked_secret


class ModelSettings(BaseModel, frozen=True):
    """Which language models there are."""

    ollama_host: HttpUrls = Field((), description="Ollama servers, http://host:11434, comma separated")
    ollama_model: str | None = Field(None, description="the Ollama model that is the default")
    llamacpp_host: HttpUrl | None = Field(None, description="a llama.cpp server, http://host:8080")
    openai_compatible_url: HttpUrl | None = Field(
        None, description="any OpenAI-compatible server, up to and without /chat/completions: https://host/v1"
    )
    openai_compatible_api_key: SecretStr | None = Field(None, description="its key")
    model_ca: Annotated[SecretStr, checked_secret(formats.certificates)] | None = Field(
        None,
        description="certificates in PEM that are trusted beside the public ones when a language model is asked: of a "
        "server of your own, or of your authority (no secret to read, but nobody may change it)",
    )
    openai_api_key: SecretStr | None = Field(None, description="a key of OpenAI's API")
    openai_base_url: HttpUrl | None = Field(None, description="OpenAI's API elsewhere than at OpenAI, https://host/v1")
    openai_models: Names = Field((), description="OpenAI's models that are offered, comma separated")
    anthropic_api_key: SecretStr | None = Field(None, description="a key of Anthropic's API")
    anthropic_base_url: HttpUrl | None = Field(
        None, description="Anthropic's API elsewhere than at Anthropic, without /v1: https://host"
    )
    anthropic_models: Names = Field((), description="Anthropic's models that are offered, comma separated")
    usage_currency: str = Field(
        "USD", pattern=r"^[A-Z]{3}$", description="the currency of prices and budgets: three letters, USD or EUR"
    )
    model_prices: Annotated[str, AfterValidator(price_lists.checked)] = Field(
        "",
        description="prices that `models seed` sets where there are none, a million tokens in USAGE_CURRENCY, JSON: "
        '{"provider/name": {"input": "2.50", "output": "10", "cached_input"?: "0.25"}}',
    )
    bedrock_model_id: Names = Field(
        (), description="models on Amazon Bedrock: ids, inference profiles or ARNs, comma separated"
    )
    bedrock_region: Region | None = Field(None, description="the AWS region to ask for them; AWS_REGION without")
    aws_region: Region | None = Field(None, description="the AWS region, as AWS itself sets it")
    bedrock_endpoint_url: HttpUrl | None = Field(
        None, description="where Bedrock's runtime is reached in place of its public address, such as a VPC endpoint"
    )
    title_model: str = Field(
        "",
        max_length=200,
        description="the language model that names conversations: its id, off, or nothing for the conversation's own",
    )

    model_slots: Slots = Field(
        (),
        description="calls that each server of a provider is given at once: ollama=4,llamacpp=2; without, no limit",
    )
    model_queue: int = Field(
        100, ge=0, le=10_000, description="calls at most that wait for a server of MODEL_SLOTS; more are refused"
    )

    default_tools: Names = Field(
        (),
        description="tools that a model which can use tools may call when a question names none, comma separated: "
        "current_time,calculate",
    )
    pinecone_api_key: SecretStr | None = Field(None, description="a key of Pinecone: language models may search there")
    pinecone_index_name: str | None = Field(
        None,
        pattern=r"^[a-z0-9]([a-z0-9-]{0,43}[a-z0-9])?$",
        description="the index they search, one that embeds texts by itself; its records have a field text",
    )
    pinecone_controller_host: HttpUrl = Field(
        "https://api.pinecone.io", description="where Pinecone tells the address of an index; Pinecone Local's, say"
    )
    mcp_servers: SecretStr = Field(
        SecretStr(""),
        description='tools of MCP servers, JSON: {"name": {"url": "https://host/mcp", "token"?, "tools"?: [names]}}',
    )
    mcp_allowed_hosts: Names = Field(
        (),
        description="hosts of MCP servers in your own network or on odd ports, [http://]host[:port], comma separated",
    )
