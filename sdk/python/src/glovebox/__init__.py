"""Work with health data that stay in a Glovebox enclave: submit jobs, read released aggregates, verify receipts.

>>> import glovebox as gb
>>> box = gb.connect()                                   # GLOVEBOX_SERVER, GLOVEBOX_IDENTITY  # doctest: +SKIP
>>> job = box.run(box.submit_module("job.wasm"), grant=grant, dataset="nhanes-2017")           # doctest: +SKIP
>>> job.result().table("mean_bmi"), job.receipt().verify()                                     # doctest: +SKIP
"""

from glovebox.box import Box, WhoAmI, connect
from glovebox.catalogue import Dataset, Datasets, Field
from glovebox.errors import (
    Busy,
    ConfigurationError,
    Conflict,
    ConnectionFailed,
    Explained,
    GloveboxError,
    Invalid,
    JobEnded,
    JobFailed,
    JobInReview,
    JobRefused,
    JobWithheld,
    NotFound,
    ProblemError,
    Refused,
    UnexpectedAnswer,
    VerificationError,
)
from glovebox.grants import Budget, Budgets, Grant, Grants, terms
from glovebox.jobs import Job, Jobs, Module, Modules
from glovebox.lint import Advice, Lint
from glovebox.model import Leakage, Mechanism, Model
from glovebox.privacy import Charge, ExpectedError, Explanation, Ledger, LedgerEntry, Privacy, gaussian, laplace
from glovebox.receipt import Receipt, Verification
from glovebox.refusal import Problem, Refusal, Refusals
from glovebox.result import Cell, Result, Table
from glovebox.reviews import Review, ReviewEntry, ReviewOutput, Reviews
from glovebox.verification import EnclaveKey

__all__ = [
    "Advice",
    "Box",
    "Budget",
    "Budgets",
    "Busy",
    "Cell",
    "Charge",
    "ConfigurationError",
    "Conflict",
    "ConnectionFailed",
    "Dataset",
    "Datasets",
    "EnclaveKey",
    "ExpectedError",
    "Explained",
    "Explanation",
    "Field",
    "GloveboxError",
    "Grant",
    "Grants",
    "Invalid",
    "Job",
    "JobEnded",
    "JobFailed",
    "JobInReview",
    "JobRefused",
    "JobWithheld",
    "Jobs",
    "Leakage",
    "Ledger",
    "LedgerEntry",
    "Lint",
    "Mechanism",
    "Model",
    "Module",
    "Modules",
    "NotFound",
    "Privacy",
    "Problem",
    "ProblemError",
    "Receipt",
    "Refusal",
    "Refusals",
    "Refused",
    "Result",
    "Review",
    "ReviewEntry",
    "ReviewOutput",
    "Reviews",
    "Table",
    "UnexpectedAnswer",
    "Verification",
    "VerificationError",
    "WhoAmI",
    "connect",
    "gaussian",
    "laplace",
    "terms",
]
