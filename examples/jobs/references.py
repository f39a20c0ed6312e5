"""Computes what the example jobs should find, with the statisticians' own packages, from the tables of examples/data.

    pip install pandas==2.3.* statsmodels==0.15.* lifelines==0.30.* scipy
    python3 examples/jobs/references.py          # compares with references.json
    python3 examples/jobs/references.py write    # writes it anew

tests/tests/models.rs runs the built jobs in the sandbox and compares with references.json.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm
from lifelines import KaplanMeierFitter
from scipy.cluster.vq import kmeans2
from statsmodels.duration.hazard_regression import PHReg

HERE = Path(__file__).parent
DATA = HERE.parent / "data"
Numbers = dict[str, float] | dict[str, list[float]]


def diabetes(nhanes: pd.DataFrame) -> Numbers:
    """statsmodels: Logit. As in the job, an index above 49 counts as 49."""
    rows = nhanes[(nhanes.age_years >= 18) & nhanes.diabetes.isin(["yes", "no"]) & nhanes.bmi.notna()]
    covariates = pd.DataFrame(
        {
            "intercept": 1.0,
            "age_per_20_years": (rows.age_years - 50) / 20,
            "bmi_per_7": (rows.bmi.clip(upper=49) - 28) / 7,
            "female": (rows.sex == "female").astype(float),
        }
    )
    fit = sm.Logit((rows.diabetes == "yes").astype(float), covariates).fit(disp=0, tol=1e-12)
    return {name: float(value) for name, value in fit.params.items()}


def admissions(hie: pd.DataFrame) -> pd.DataFrame:
    """Of each person: years until the first admission or the end of observation, and which of them it was."""

    def of(person: pd.DataFrame) -> pd.Series:
        admitted = (person.admissions > 0).to_numpy()
        years = int(admitted.argmax()) + 1 if admitted.any() else len(person)
        first = person.iloc[0]
        return pd.Series({"years": years, "event": bool(admitted.any()), "sex": first.sex, "age": first.age_years})

    return hie.groupby("person_id", sort=True)[["admissions", "sex", "age_years"]].apply(of)


def cox(persons: pd.DataFrame) -> Numbers:
    """statsmodels: PHReg, ties by Breslow. As in the job, an age above 62 counts as 62."""
    covariates = pd.DataFrame(
        {
            "female": (persons.sex == "female").astype(float),
            "age_per_20_years": (persons.age.astype(float).clip(upper=62) - 31) / 20,
        }
    )
    model = PHReg(persons.years.astype(float), covariates, status=persons.event.astype(int), ties="breslow")
    fit = model.fit(disp=0)
    return dict(zip(covariates.columns, map(float, fit.params), strict=True))


def kaplan_meier(persons: pd.DataFrame) -> Numbers:
    """lifelines: KaplanMeierFitter, survival after each of five years."""
    curves = {}
    for sex in ["male", "female"]:
        of_sex = persons[persons.sex == sex]
        fit = KaplanMeierFitter().fit(of_sex.years.astype(float), of_sex.event.astype(int))
        curves[sex] = [float(value) for value in fit.predict([1, 2, 3, 4, 5])]
    return curves


def correlation(nhanes: pd.DataFrame) -> Numbers:
    """pandas: correlation matrix by sex, row-major; as in the job, within 3 units of the centre."""
    columns = ["bmi", "systolic_mmhg", "total_cholesterol_mgdl", "hba1c_percent"]
    adults = nhanes[nhanes.age_years >= 18].dropna(subset=columns)
    adults[columns] = ((adults[columns] - [29.0, 125.0, 190.0, 5.8]) / [7.0, 20.0, 40.0, 1.0]).clip(-3.0, 3.0)
    return {
        sex: [float(value) for value in adults[adults.sex == sex][columns].corr().to_numpy().ravel()]
        for sex in ["male", "female"]
    }


def clusters(nhanes: pd.DataFrame) -> Numbers:
    """scipy: k-means from the same three centres, within the same bounds; the centres in the order of the state."""
    adults = nhanes[nhanes.age_years >= 18].dropna(subset=["bmi", "systolic_mmhg"])
    scale = np.array([7.0, 20.0])
    start = np.array([[24.0, 115.0], [28.0, 145.0], [36.0, 125.0]]) / scale
    points = adults[["bmi", "systolic_mmhg"]].clip([15.0, 80.0], [55.0, 200.0], axis=1).to_numpy() / scale
    centres, labels = kmeans2(points, start, iter=500, minit="matrix")
    return {
        "centres": [float(value) for value in (centres * scale).ravel()],
        "persons": [float((labels == cluster).sum()) for cluster in range(3)],
    }


def blocks(nhanes: pd.DataFrame) -> Numbers:
    """numpy: slope and median of each of 60 blocks, then median and mean over the blocks."""
    nhanes = nhanes.sort_values("person_id").reset_index(drop=True)
    persons, slopes, medians = len(nhanes), [], []
    for block in range(60):
        rows = nhanes.iloc[block * persons // 60 : (block + 1) * persons // 60]
        adults = rows[(rows.age_years >= 18) & rows.systolic_mmhg.notna()]
        slopes.append(10 * float(np.polyfit(adults.age_years, adults.systolic_mmhg, 1)[0]))
        medians.append(float(adults.bmi.median()))
    return {"mmhg_per_decade": float(np.median(slopes)), "median_bmi": float(np.mean(medians))}


def concentration(hie: pd.DataFrame) -> Numbers:
    """pandas: share of spending of each tenth of persons."""
    totals = np.sort(hie.groupby("person_id").medical_usd.sum().to_numpy())
    cuts = [len(totals) * tenth // 10 for tenth in range(11)]
    tenths = [totals[low:high] for low, high in zip(cuts, cuts[1:], strict=False)]
    return {
        "persons": [float(len(tenth)) for tenth in tenths],
        "share_percent": [float(100 * tenth.sum() / totals.sum()) for tenth in tenths],
    }


def main() -> None:
    """Compares, or writes."""
    nhanes = pd.read_csv(DATA / "nhanes-2017" / "nhanes-2017.csv")
    hie = pd.read_csv(DATA / "rand-hie" / "rand-hie.csv")
    persons = admissions(hie)
    found = {
        "diabetes-logistic": diabetes(nhanes),
        "first-admission-cox": cox(persons),
        "first-admission": kaplan_meier(persons),
        "metabolic-correlation": correlation(nhanes),
        "body-clusters": clusters(nhanes),
        "pressure-by-age": blocks(nhanes),
        "spending-concentration": concentration(hie),
    }
    path = HERE / "references.json"
    if sys.argv[1:] == ["write"]:
        path.write_text(json.dumps(found, indent=2) + "\n")
        return
    written = json.loads(path.read_text())
    for job, numbers in found.items():
        for name, values in numbers.items():
            if not np.allclose(values, written[job][name], rtol=1e-6, atol=1e-9):
                raise SystemExit(f"{job}, {name}: found {values}, written {written[job][name]}")


if __name__ == "__main__":
    main()
