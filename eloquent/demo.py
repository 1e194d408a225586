"""Made-up people and conversations, as documents of the database: believable at a glance, different at each call.

Nothing here reads or writes; `manage.py seed_demo` does. Every document has all fields of its model.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from bson import ObjectId
from django.contrib.auth.hashers import make_password

Document = dict[str, Any]

DAYS_BACK: Final = 90
SESSION_DAYS: Final = 30
EMAIL_DOMAIN: Final = "demo.example.com"

_FIRST = (
    "Ada", "Bo", "Chen", "Dana", "Elif", "Femi", "Grace", "Hugo", "Ines", "Jonas", "Kaya", "Lea",
    "Milo", "Nora", "Omar", "Pia", "Quinn", "Rosa", "Sam", "Tove", "Uma", "Vera", "Wen", "Yara",
)  # fmt: skip
_LAST = (
    "Abel", "Berg", "Cruz", "Diaz", "Eriksen", "Faye", "Gupta", "Hahn", "Ito", "Jansen",
    "Kim", "Lopez", "Meyer", "Novak", "Okoro", "Park", "Rossi", "Silva", "Tanaka", "Weber",
)  # fmt: skip
_DEVICES = ("Firefox on Linux", "Chrome on Windows", "Safari on macOS", "Safari on iPhone", "Chrome on Android")
_TOPICS = (
    "a sourdough starter", "the night train to Vienna", "our quarterly report", "a leaking tap", "Rust lifetimes",
    "a birthday speech", "index design in MongoDB", "growing tomatoes on a balcony", "the rules of curling",
    "a cover letter", "back pain at the desk", "the French subjunctive", "a weekend in Lisbon", "unit tests for dates",
    "a logo for a bakery", "compound interest", "reading sheet music", "a polite reminder", "the causes of tides",
)  # fmt: skip
_QUESTIONS = (
    "Can you explain {topic} to me in simple words?",
    "What should I know first about {topic}?",
    "I am stuck with {topic}. Where do people usually go wrong?",
    "Write me a short plan for {topic}, please.",
    "Compare two ways to deal with {topic}.",
    "And what would you change if I had only an hour for {topic}?",
    "Summarise what we said about {topic} in three points.",
)
_OPENINGS = ("Gladly.", "Good question.", "Here is a short answer.", "In three steps.", "It depends, but mostly:")
_SENTENCES = (
    "Start with the smallest version of {topic} that is still useful.",
    "Most trouble with {topic} comes from skipping the preparation.",
    "Write down what you expect before you try it, then compare.",
    "A rule of thumb: spend a third of the time on looking, not doing.",
    "If something feels wrong with {topic}, it usually is; go one step back.",
    "There are two schools here, and both are right in their own place.",
    "You can leave the details of {topic} for tomorrow.",
    "Ask someone who has done it twice, not someone who has done it once.",
    "Keep notes: in a month you will be glad of them.",
    "That said, {topic} is more forgiving than its reputation.",
)  # fmt: skip
_MODELS = (("smollm2:135m", "ollama"), ("llama3.2:3b", "ollama"), ("qwen2.5:7b", "llamacpp"))
# Of a hundred runs, about this many end so.
_ENDS = (("complete", 92), ("stopped", 4), ("failed", 3), ("interrupted", 1))


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation with all that belongs to it, as documents."""

    conversation: Document
    messages: list[Document]
    runs: list[Document]


class Demo:
    """A source of documents. `now` is the moment that everything lies before, `seed` makes two sources differ."""

    def __init__(self, now: datetime, seed: int) -> None:
        # Milliseconds are all that the database keeps.
        self._now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        self._chance = random.Random(seed)  # noqa: S311 -- no secret is made of it
        self._ends = [end for end, share in _ENDS for _ in range(share)]

    def users(self, first: int, count: int) -> Iterator[Document]:
        """Users who cannot sign in until someone sets their password, numbered from `first`."""
        for number in range(first, first + count):
            name = f"{self._chance.choice(_FIRST)} {self._chance.choice(_LAST)}"
            created_at = self._moment()
            is_active = self._chance.random() > 0.02  # noqa: PLR2004 -- one in fifty has left
            yield {
                "_id": _id_at(created_at),
                "password": make_password(None),
                "last_login": None,
                "is_superuser": False,
                "email": f"{name.replace(' ', '.').lower()}.{number}@{EMAIL_DOMAIN}",
                "name": name,
                "is_staff": False,
                "is_active": is_active,
                "deactivated_by": "" if is_active else "owner",
                "token_version": 0,
                "password_expires_at": None,
                "email_verified_at": created_at,
                "created_at": created_at,
            }

    def session(self, user_id: ObjectId) -> Document:
        """A device of the user. Its hashes are of no token, so it lets nobody in."""
        created_at = self._moment()
        device = self._chance.choice(_DEVICES)
        return {
            "_id": _id_at(created_at),
            "user_id": user_id,
            "refresh_hash": self._chance.randbytes(32).hex(),
            "previous_hash": "",
            "lineage_hash": self._chance.randbytes(32).hex(),
            "successor": "",
            "rotated_at": created_at,
            "created_at": created_at,
            "last_seen_at": created_at,
            "expires_at": self._now + timedelta(days=SESSION_DAYS),
            "ip": f"192.0.2.{self._chance.randrange(1, 255)}",
            "user_agent": f"Mozilla/5.0 ({device})",
            "label": device,
            "country": "",
            "city": "",
            "signed_in_with": "password",
            "revoked_at": None if self._chance.random() > 0.1 else created_at,  # noqa: PLR2004 -- one in ten
        }

    def shares(self, total: int, parts: int) -> list[int]:
        """`total` split unevenly into `parts`: most conversations are short and a few are long."""
        weights = [self._chance.expovariate(1) for _ in range(parts)]
        scale = total / sum(weights)
        shares = [int(weight * scale) for weight in weights]
        for index in self._chance.choices(range(parts), k=total - sum(shares)):
            shares[index] += 1
        return shares

    def talk(self, user_id: ObjectId, exchanges: int) -> Talk:
        """A conversation of so many questions, each with its answer and run."""
        topic = self._chance.choice(_TOPICS)
        model, provider = self._chance.choice(_MODELS)
        at = self._moment()
        conversation: Document = {
            "_id": _id_at(at),
            "user_id": user_id,
            "title": f"About {topic}",
            "model": model,
            "system_prompt": "",
            "pinned": self._chance.random() < 0.05,  # noqa: PLR2004 -- one in twenty
            "archived": self._chance.random() < 0.15,  # noqa: PLR2004 -- about one in seven
            "leaf_id": None,
            "message_count": 2 * exchanges,
            "titled_by": "model",
            "client_id": None,
            "import_key": None,
            "imported_at": None,
            "created_at": at,
            "updated_at": at,
        }
        talk = Talk(conversation, [], [])
        for _ in range(exchanges):
            at = min(at + timedelta(seconds=self._chance.randrange(20, 900)), self._now)
            self._exchange(talk, topic, provider, at)
        conversation["updated_at"] = at
        return talk

    def _exchange(self, talk: Talk, topic: str, provider: str, at: datetime) -> None:
        conversation, end = talk.conversation, self._chance.choice(self._ends)
        question, answer, run = _id_at(at), _id_at(at + timedelta(seconds=1)), _id_at(at)
        words = self._answer(topic) if end != "failed" else ""
        usage = {
            "inputTokens": 40 + len(talk.messages) * 30,
            "outputTokens": len(words) // 4,
            "reported": True,
            "finishReason": "stop",
        }
        usage_of_run = usage if end == "complete" else None
        error = (
            {"code": "model_unreachable", "detail": "The language model did not answer."} if end == "failed" else None
        )
        took = timedelta(milliseconds=self._chance.randrange(600, 9000))
        for message_id, parent_id, role, text, status in (
            (
                question,
                conversation["leaf_id"],
                "user",
                self._chance.choice(_QUESTIONS).format(topic=topic),
                "complete",
            ),
            (answer, question, "assistant", words, end),
        ):
            by_model = role == "assistant"
            talk.messages.append(
                {
                    "_id": message_id,
                    "conversation_id": conversation["_id"],
                    "user_id": conversation["user_id"],
                    "parent_id": parent_id,
                    "role": role,
                    "parts": [{"type": "text", "text": text}] if text else [],
                    "text": text,
                    "grams": "",
                    "status": status,
                    "run_id": run if by_model else None,
                    "model": conversation["model"] if by_model else "",
                    "usage": usage_of_run if by_model else None,
                    "error": error if by_model else None,
                    "context": None,
                    "feedback": None,
                    "client_id": None,
                    "position": len(words) // 4 if by_model else 0,
                    "calls": 1 if by_model else 0,
                    "resumption": None,
                    "created_at": at,
                }
            )
        talk.runs.append(
            {
                "_id": run,
                "conversation_id": conversation["_id"],
                "user_id": conversation["user_id"],
                "user_message_id": question,
                "message_id": answer,
                "branch_id": question,
                "model": conversation["model"],
                "provider": provider,
                "status": end,
                "active": False,
                "usage": usage_of_run,
                "error": error,
                "idempotency_key": None,
                "worker": "",
                "stop_requested_at": None,
                "begins_at": 0,
                "lease_expires_at": at + took,
                "created_at": at,
                "started_at": at,
                "first_token_at": at + took / 6 if words else None,
                "finished_at": at + took,
            }
        )
        conversation["leaf_id"] = answer

    def _answer(self, topic: str) -> str:
        sentences = self._chance.sample(_SENTENCES, k=self._chance.randrange(2, 7))
        return " ".join([self._chance.choice(_OPENINGS), *sentences]).format(topic=topic)

    def _moment(self) -> datetime:
        return self._now - timedelta(milliseconds=self._chance.randrange(DAYS_BACK * 24 * 3600 * 1000))


def _id_at(at: datetime) -> ObjectId:
    """A new id that sorts where an id made at that moment would."""
    return ObjectId(int(at.timestamp()).to_bytes(4, "big") + ObjectId().binary[4:])
