"""How much the further measures do."""

from dataclasses import dataclass, field

from tests.bench.steady import Pace


@dataclass(frozen=True, slots=True)
class RowScale:
    """Counts and paces of all rows. The defaults are those of the targets."""

    users: int = 100
    """Who stream at once while first tokens are measured."""
    talk: Pace = field(default_factory=lambda: Pace(20, 80))
    """A user's answer there."""
    talk_answers: int = 3

    streams: int = 2000
    fewest_streams: int = 250
    """No smaller number is tried when the machine cannot carry more."""
    long: Pace = field(default_factory=lambda: Pace(10, 450))
    begin_within_s: float = 25.0
    without_server: Pace = field(default_factory=lambda: Pace(10, 120))
    """What the bench's own two ends are measured with."""
    without_server_within_s: float = 4.0

    brisk: Pace = field(default_factory=lambda: Pace(40, 60))
    """The answer that a reader comes back to, or stops."""
    resumes: int = 100
    stops: int = 60

    conversations: int = 1_000_000
    few_conversations: int = 1_000
    messages: int = 1_000_000
    list_users: int = 20
    list_rounds: int = 5
    list_requests: int = 200
    """Of each kind in a round."""

    sockets: int = 2000

    memory_runs: int = 300
    memory_readers: int = 600
    lasting: Pace = field(default_factory=lambda: Pace(10, 200))
    """The answer whose memory is looked at in its middle."""

    readers: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    lively: Pace = field(default_factory=lambda: Pace(100, 350))
    """The answer that several read."""

    journal_users: int = 20
    journal_rounds: int = 3
    journal_burst: int = 5

    relay_rounds: int = 5
    relay_answers: int = 50
    relay_at_once: int = 20
    relay_tokens_per_s: float = 50.0

    sides_users: int = 20
    sides_rounds: int = 6
    sides_burst: int = 8
    sides_lists: int = 40

    sign_ins: int = 300
    """Failed ones, of each kind."""

    def paces(self) -> list[Pace]:
        """The even answers that the language model must be able to give."""
        return [self.talk, self.long, self.without_server, self.brisk, self.lasting, self.lively]


FULL = RowScale()
QUICK = RowScale(
    users=40,
    streams=300,
    fewest_streams=100,
    long=Pace(10, 120),
    begin_within_s=3.0,
    resumes=20,
    stops=20,
    conversations=50_000,
    messages=50_000,
    list_requests=100,
    list_rounds=3,
    sockets=300,
    memory_runs=60,
    memory_readers=120,
    readers=(1, 4, 16),
    journal_rounds=1,
    relay_rounds=2,
    relay_answers=20,
    sides_rounds=2,
    sign_ins=100,
)
SMOKE = RowScale(
    users=3,
    talk=Pace(100, 12),
    talk_answers=2,
    streams=6,
    fewest_streams=3,
    long=Pace(20, 40),
    begin_within_s=0.5,
    without_server=Pace(20, 20),
    without_server_within_s=0.1,
    resumes=2,
    stops=2,
    conversations=300,
    few_conversations=60,
    messages=300,
    list_users=2,
    list_requests=3,
    list_rounds=1,
    sockets=8,
    memory_runs=6,
    memory_readers=12,
    lasting=Pace(40, 60),
    readers=(1, 2),
    lively=Pace(50, 100),
    journal_users=2,
    journal_rounds=1,
    journal_burst=2,
    relay_rounds=1,
    relay_answers=2,
    sides_users=2,
    sides_rounds=1,
    sides_burst=2,
    sides_lists=2,
    sign_ins=3,
    relay_at_once=2,
    relay_tokens_per_s=500.0,
)
