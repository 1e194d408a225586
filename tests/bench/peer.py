"""What the product is measured against: the same work as one would write it with FastAPI, httpx and AsyncMongoClient.

It is meant to be a good example of its kind: one pooled client of each sort, typed answers, lists by index, nothing
slow on purpose. It does less than the product: nobody signs in, no history is read, and an answer is one insert at its
end.

Settings come from the environment: PEER_MONGODB_URI, PEER_MONGODB_NAME, PEER_OLLAMA_HOST.
"""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
from bson import ObjectId
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from pymongo import AsyncMongoClient

mongodb: AsyncMongoClient = AsyncMongoClient(os.environ["PEER_MONGODB_URI"], tz_aware=True)
database = mongodb[os.environ["PEER_MONGODB_NAME"]]
ollama = httpx.AsyncClient(base_url=os.environ["PEER_OLLAMA_HOST"], timeout=httpx.Timeout(60, connect=5))


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    await database.conversations.create_index([("user_id", 1), ("updated_at", -1)])
    await database.messages.create_index([("conversation_id", 1), ("_id", 1)])
    yield
    await ollama.aclose()
    await mongodb.close()


app = FastAPI(lifespan=lifespan)


class Question(BaseModel):
    model: str
    text: str


class Conversation(BaseModel):
    id: str
    title: str
    model: str
    system_prompt: str
    pinned: bool
    archived: bool
    leaf_id: str
    message_count: int
    created_at: datetime
    updated_at: datetime


class Message(BaseModel):
    id: str
    conversation_id: str
    parent_id: str | None
    role: str
    parts: list[dict[str, str]]
    status: str
    run_id: str | None
    model: str
    usage: dict[str, int] | None
    error: dict[str, str] | None
    created_at: datetime


async def answer(conversation_id: str, question: Question) -> AsyncIterator[str]:
    """The answer's tokens as they come; the whole of it is saved at the end."""
    tokens: list[str] = []
    prompt = {"model": question.model, "messages": [{"role": "user", "content": question.text}]}
    async with ollama.stream("POST", "/api/chat", json=prompt) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            token = json.loads(line)["message"]["content"]
            if token:
                tokens.append(token)
                yield token
    saved = {"conversation_id": ObjectId(conversation_id), "role": "assistant", "text": "".join(tokens)}
    await database.messages.insert_one(saved | {"model": question.model, "created_at": datetime.now(UTC)})


@app.post("/conversations/{conversation_id}/answers")
async def stream_answer(conversation_id: str, question: Question) -> StreamingResponse:
    async def events() -> AsyncIterator[str]:
        async for token in answer(conversation_id, question):
            yield f"data: {json.dumps({'text': token})}\n\n"
        yield "data: [DONE]\n\n"

    return StreamingResponse(events(), media_type="text/event-stream", headers={"cache-control": "no-cache"})


@app.websocket("/ws/{conversation_id}")
async def chat(socket: WebSocket, conversation_id: str) -> None:
    await socket.accept()
    try:
        while True:
            question = Question.model_validate(await socket.receive_json())
            async for token in answer(conversation_id, question):
                await socket.send_json({"text": token})
            await socket.send_json({"done": True})
    except WebSocketDisconnect:
        return


@app.get("/users/{user_id}/conversations")
async def list_conversations(user_id: str) -> list[Conversation]:
    found = database.conversations.find({"user_id": ObjectId(user_id)}).sort("updated_at", -1).limit(30)
    return [
        Conversation(
            id=str(one["_id"]),
            title=one["title"],
            model=one["model"],
            system_prompt=one["system_prompt"],
            pinned=one["pinned"],
            archived=one["archived"],
            leaf_id=str(one["leaf_id"]),
            message_count=one["message_count"],
            created_at=one["created_at"],
            updated_at=one["updated_at"],
        )
        for one in await found.to_list()
    ]


@app.get("/conversations/{conversation_id}/messages")
async def list_messages(conversation_id: str) -> list[Message]:
    found = database.messages.find({"conversation_id": ObjectId(conversation_id)}).sort("_id", -1).limit(30)
    return [
        Message(
            id=str(one["_id"]),
            conversation_id=conversation_id,
            parent_id=str(one["parent_id"]) if one["parent_id"] else None,
            role=one["role"],
            parts=one["parts"],
            status=one["status"],
            run_id=str(one["run_id"]) if one["run_id"] else None,
            model=one["model"],
            usage=one["usage"],
            error=one["error"],
            created_at=one["created_at"],
        )
        for one in await found.to_list()
    ]
