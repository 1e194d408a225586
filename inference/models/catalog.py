"""What staff decided about language models. The request road reads the same collection through `inference.store`."""

import re
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone
from django_mongodb_backend.fields import ArrayField, ObjectIdField

_PROVIDERS = [
    ("ollama", "Ollama"),
    ("llamacpp", "llama.cpp"),
    ("openai-compatible", "OpenAI-compatible"),
    ("openai", "OpenAI"),
    ("anthropic", "Anthropic"),
    ("bedrock", "Amazon Bedrock"),
]
CAPABILITIES = [("tools", "calls tools"), ("vision", "sees pictures"), ("thinking", "thinks before it answers")]
MOST_FALLBACKS = 5
MOST_ENTRIES = 500
MOST_PRICES = 5_000
_ID = re.compile(r"[a-z-]+/\S.*")
_LONGEST_NAME = 200
_LONGEST_ID = 240


def providers() -> list[tuple[str, str]]:
    """Each provider's name, and what people call it. A function, so that another provider needs no migration."""
    return _PROVIDERS


class ModelEntry(models.Model):
    """One language model of one provider. What is left empty is as its server, or our default, has it."""

    provider = models.CharField(max_length=40, choices=providers)
    name = models.CharField("name on its server", max_length=_LONGEST_NAME, help_text="Such as llama3.2:latest")
    title = models.CharField("name shown", max_length=100, blank=True, default="")
    enabled = models.BooleanField(default=True, help_text="Off: nobody is offered it, and running answers go on.")
    is_default = models.BooleanField(
        "default", default=False, help_text="For conversations that name no model. At most one."
    )
    capabilities = ArrayField(
        models.CharField(max_length=20),
        default=list,
        blank=True,
        help_text="What it can do, where its server does not say or is wrong. With none, as its server says.",
    )
    groups = ArrayField(
        ObjectIdField(),
        default=list,
        blank=True,
        help_text="Who may use it: people in one of these groups. With none, everyone.",
    )
    order = models.PositiveSmallIntegerField(default=100, help_text="Smaller ones are listed first.")
    context_window = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(256)],
        help_text="Tokens, prompt and answer together. On Ollama another number loads the model again.",
    )
    fallbacks = ArrayField(
        models.CharField(max_length=_LONGEST_ID),
        default=list,
        blank=True,
        max_size=MOST_FALLBACKS,
        help_text="Ids of models that answer while this one cannot, in their order: provider/name, comma separated.",
    )
    temperature = models.FloatField(null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(2)])
    top_p = models.FloatField(null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(1)])
    max_output_tokens = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    thinking = models.BooleanField(null=True, blank=True, help_text="Whether it thinks before it answers, if it can.")
    keep_alive = models.CharField(
        max_length=20,
        blank=True,
        default="",
        validators=[RegexValidator(r"^(-?\d+|\d+(\.\d+)?(ms|s|m|h))$", "Seconds, or a span such as 10m.")],
        help_text="How long Ollama keeps it loaded after an answer: 10m, 3600, -1 for ever.",
    )
    first_token_s = models.FloatField("seconds to the first token", null=True, blank=True)
    idle_s = models.FloatField("seconds of silence", null=True, blank=True)
    total_s = models.FloatField("seconds for an answer", null=True, blank=True)

    class Meta:
        db_table = "language_models"
        verbose_name = "language model"
        ordering = ("order", "provider", "name", "id")
        indexes = (models.Index(fields=["order", "provider", "name", "id"], name="language_models_list"),)
        constraints = (
            models.UniqueConstraint(
                fields=["provider", "name"],
                name="language_models_once",
                violation_error_message="There is an entry for this model.",
            ),
        )

    def __str__(self) -> str:
        return self.title or self.model_id

    @property
    def model_id(self) -> str:
        """What conversations store, and what fallbacks name."""
        return f"{self.provider}/{self.name}"

    def clean(self) -> None:
        """Refuse what no field can see alone."""
        super().clean()
        wrong: dict[str, Any] = {}
        self.fallbacks = [fallback.strip() for fallback in self.fallbacks]
        strange = [fallback for fallback in self.fallbacks if not _ID.fullmatch(fallback)]
        if self.model_id in self.fallbacks:
            wrong["fallbacks"] = "A model cannot stand in for itself."
        elif strange:
            wrong["fallbacks"] = f"“{strange[0]}” is no id, which has the form provider/name."
        elif len(set(self.fallbacks)) < len(self.fallbacks):
            wrong["fallbacks"] = "A model is named twice."
        if type(self).objects.exclude(pk=self.pk).count() >= MOST_ENTRIES:
            wrong["name"] = f"The catalog has at most {MOST_ENTRIES} entries."
        if self.is_default and type(self).objects.filter(is_default=True).exclude(pk=self.pk).exists():
            wrong["is_default"] = "Another model is the default."
        if self.is_default and not self.enabled:
            wrong["is_default"] = "The default must be enabled."
        for field in ("first_token_s", "idle_s", "total_s"):
            seconds = getattr(self, field)
            if seconds is not None and seconds <= 0:
                wrong[field] = "More than 0 seconds."
        if wrong:
            raise ValidationError(wrong)


class ModelPrice(models.Model):
    """What a language model's tokens cost from a moment on, until the next price's moment."""

    entry = models.ForeignKey(ModelEntry, on_delete=models.CASCADE, related_name="prices", db_index=False)
    starts_at = models.DateTimeField("from", default=timezone.now, help_text="UTC. Until the next one begins.")
    input_micros = models.PositiveBigIntegerField("a million input tokens")
    cached_input_micros = models.PositiveBigIntegerField(
        "a million cached input tokens", null=True, blank=True, help_text="As other input when empty."
    )
    output_micros = models.PositiveBigIntegerField("a million output tokens")

    class Meta:
        db_table = "language_model_prices"
        verbose_name = "price"
        ordering = ("entry", "starts_at", "id")
        indexes = (models.Index(fields=["entry", "starts_at", "id"], name="language_model_prices_list"),)
        constraints = (
            models.UniqueConstraint(
                fields=["entry", "starts_at"],
                name="language_model_prices_once",
                violation_error_message="There is a price from this moment on.",
            ),
        )

    def __str__(self) -> str:
        return f"from {self.starts_at:%Y-%m-%d %H:%M} UTC"

    def clean(self) -> None:
        """Refuse what no field can see alone."""
        super().clean()
        if type(self).objects.exclude(pk=self.pk).count() >= MOST_PRICES:
            raise ValidationError(f"The catalog has at most {MOST_PRICES:,} prices. Delete old ones.")
