"""What can go wrong, told with its code, rule, place and remedy."""

from glovebox.refusal import Problem, Refusal, Refusals


class GloveboxError(Exception):
    """Everything that this package raises of its own."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows: the message is the explanation, a stack of our frames would bury it."""
        return [f"{type(self).__name__}: {self}"]


class ConfigurationError(GloveboxError):
    """A certificate, key, address or variable can't be used."""


class ConnectionFailed(GloveboxError):
    """The server was not reached, or hung up. A server that does not accept the certificate hangs up, too."""


class UnexpectedAnswer(GloveboxError):
    """The server answered something that this package does not understand; their versions may differ."""


class VerificationError(GloveboxError):
    """A receipt, or what it speaks of, is not what it claims to be."""


class Explained(GloveboxError):
    """An error that gives its reasons."""

    reasons: Refusals

    def __init__(self, headline: str, reasons: Refusals) -> None:
        self.reasons = reasons
        super().__init__("\n".join([headline, *(f"  {reason}" for reason in reasons)]))
        self.headline = headline

    @property
    def code(self) -> str:
        """Stable code of the first reason, e.g. ``policy.field-not-granted``."""
        return self.reasons[0].code if self.reasons else ""

    @property
    def remedy(self) -> str:
        """What to do about the first reason."""
        return self.reasons[0].remedy if self.reasons else ""

    def _repr_html_(self) -> str:
        return self.reasons.to_html(self.headline)


class ProblemError(Explained):
    """The server did not do what was asked, and says why in a problem document."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        place = f" Request id for the operator: {problem.request_id}." if problem.status >= 500 else ""
        reasons = problem.reasons or Refusals([Refusal(problem.code, problem.title, "", problem.detail)])
        super().__init__(f"{self._opening} ({problem.status}).{place}", reasons)

    _opening = "The enclave did not do this"

    @staticmethod
    def of(problem: Problem) -> "ProblemError":
        """The error for the status of ``problem``."""
        kinds: dict[int, type[ProblemError]] = {403: Refused, 404: NotFound, 409: Conflict, 422: Invalid, 429: Busy}
        return kinds.get(problem.status, ProblemError)(problem)


class Refused(ProblemError):
    """Not permitted: by role, grant, purpose, term or address."""

    _opening = "The enclave refused this"


class NotFound(ProblemError):
    """No such thing, or none that you may see."""

    _opening = "The enclave has no such thing for you"


class Conflict(ProblemError):
    """The thing is in a state that does not allow it."""

    _opening = "This does not fit the state of the thing"


class Invalid(ProblemError):
    """What was sent can't be accepted."""

    _opening = "The enclave can't accept this"


class Busy(ProblemError):
    """Too much is asked at once, and trying again did not help."""

    _opening = "The enclave is busy"


class JobEnded(Explained):
    """A job ended without a release."""

    def __init__(self, job: str, state: str, reasons: Refusals) -> None:
        self.job = job
        self.state = state
        super().__init__(f"Job {job} ended {state}: nothing left the enclave.", reasons)

    @staticmethod
    def of(job: str, state: str, reasons: Refusals) -> "JobEnded":
        """The error for ``state``."""
        kinds: dict[str, type[JobEnded]] = {"withheld": JobWithheld, "refused": JobRefused, "failed": JobFailed}
        return kinds.get(state, JobEnded)(job, state, reasons)


class JobWithheld(JobEnded):
    """It ran, and no cell passed the disclosure rules."""


class JobRefused(JobEnded):
    """It was not allowed to run."""


class JobFailed(JobEnded):
    """Its module failed."""


class JobInReview(GloveboxError):
    """The output of a job waits for reviewers; people decide in days, so nothing is waited for here."""

    def __init__(self, job: str, review: str) -> None:
        self.job = job
        self.review = review
        super().__init__(f"The output of job {job} waits for reviewers: see box.review({review!r}); ask again later.")
