"""One function for each model: it returns the fitted model, its training rows, target and task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from zoo import rows as zoo_rows
from zoo.rows import NUMBERS, WORDS

if TYPE_CHECKING:
    from collections.abc import Callable

Trained = tuple[Any, pd.DataFrame, str, str]
MODELS: dict[str, dict[str, Callable[[], Trained]]] = {}
"""Library to name to function."""


def model(library: str) -> Callable[[Callable[[], Trained]], Callable[[], Trained]]:
    def add(function: Callable[[], Trained]) -> Callable[[], Trained]:
        MODELS.setdefault(library, {})[function.__name__] = function
        return function

    return add


def inputs(words: Any = None, *, sparse: float = 0) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    words = words or OneHotEncoder(handle_unknown="ignore")
    return ColumnTransformer(
        [("numbers", numbers, NUMBERS), ("words", words, WORDS)], sparse_threshold=sparse
    )


def piped(
    estimator: Any, words: Any = None, *, sparse: float = 0, rows: pd.DataFrame | None = None
) -> Trained:
    """Fit a pipeline on the customers."""
    from sklearn.pipeline import Pipeline

    rows = zoo_rows.customers() if rows is None else rows
    pipeline = Pipeline([("inputs", inputs(words, sparse=sparse)), ("model", estimator)])
    return pipeline.fit(rows.drop(columns="Churn"), rows["Churn"]), rows, "Churn", "classification"


def fitted(estimator: Any, rows: pd.DataFrame, target: str, task: str, **options: Any) -> Trained:
    """Fit an estimator on all columns."""
    return estimator.fit(rows.drop(columns=target), rows[target], **options), rows, target, task


def regression(estimator: Any, **options: Any) -> Trained:
    return fitted(estimator, zoo_rows.numbers(), "y", "regression", **options)


@model("sklearn")
def boosting() -> Trained:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return piped(HistGradientBoostingClassifier(max_iter=10, random_state=0))


@model("sklearn")
def boosting_with_categories() -> Trained:
    from sklearn.ensemble import HistGradientBoostingClassifier

    rows = zoo_rows.customers(categories=True)
    return fitted(
        HistGradientBoostingClassifier(max_iter=10, random_state=0), rows, "Churn", "classification"
    )


@model("sklearn")
def boosting_that_stops_early() -> Trained:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return regression(HistGradientBoostingRegressor(max_iter=10, random_state=0, early_stopping=True))


@model("sklearn")
def old_boosting() -> Trained:
    from sklearn.ensemble import GradientBoostingClassifier

    return piped(GradientBoostingClassifier(n_estimators=5, random_state=0))


@model("sklearn")
def forest() -> Trained:
    from sklearn.ensemble import RandomForestClassifier

    return piped(RandomForestClassifier(5, random_state=0, n_jobs=2))


@model("sklearn")
def trees_with_a_generator() -> Trained:
    from sklearn.ensemble import ExtraTreesRegressor

    return regression(ExtraTreesRegressor(5, random_state=np.random.RandomState(0)))


@model("sklearn")
def logistic_on_categories() -> Trained:
    from sklearn.linear_model import LogisticRegression

    return piped(LogisticRegression(), rows=zoo_rows.customers(categories=True))


@model("sklearn")
def logistic_on_sparse() -> Trained:
    from sklearn.linear_model import LogisticRegression

    return piped(LogisticRegression(class_weight="balanced"), sparse=1.0)


@model("sklearn")
def neighbours() -> Trained:
    from sklearn.neighbors import KNeighborsClassifier

    return piped(KNeighborsClassifier())


@model("sklearn")
def neighbours_in_a_tree() -> Trained:
    from sklearn.neighbors import KNeighborsClassifier

    return piped(KNeighborsClassifier(algorithm="ball_tree"))


@model("sklearn")
def support_vectors() -> Trained:
    from sklearn.svm import SVC

    return piped(SVC(random_state=0), sparse=1.0)


@model("sklearn")
def gaussian_process() -> Trained:
    from sklearn.gaussian_process import GaussianProcessClassifier
    from sklearn.gaussian_process.kernels import RBF, WhiteKernel

    return piped(GaussianProcessClassifier(RBF() + WhiteKernel()), rows=zoo_rows.customers().head(80))


@model("sklearn")
def gaussian_regression() -> Trained:
    from sklearn.gaussian_process import GaussianProcessRegressor

    return fitted(GaussianProcessRegressor(alpha=0.1), zoo_rows.numbers().head(80), "y", "regression")


@model("sklearn")
def perceptron() -> Trained:
    from sklearn.neural_network import MLPClassifier

    return piped(MLPClassifier((5,), tol=1.0, random_state=0, early_stopping=True))


@model("sklearn")
def voting() -> Trained:
    from sklearn.ensemble import RandomForestClassifier, VotingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB

    voters = [
        ("linear", LogisticRegression()),
        ("forest", RandomForestClassifier(5, random_state=0)),
        ("bayes", GaussianNB()),
    ]
    return piped(VotingClassifier(voters, voting="soft"))


@model("sklearn")
def stacking() -> Trained:
    from sklearn.ensemble import RandomForestClassifier, StackingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    stacked = [("linear", LogisticRegression()), ("forest", RandomForestClassifier(5, random_state=0))]
    return piped(StackingClassifier(stacked, cv=StratifiedKFold(3)))


@model("sklearn")
def grid_search() -> Trained:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    return piped(GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=3))


@model("sklearn")
def random_search() -> Trained:
    from scipy.stats import loguniform
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import RandomizedSearchCV

    ranges = {"C": loguniform(0.1, 1)}
    return piped(RandomizedSearchCV(LogisticRegression(), ranges, n_iter=2, cv=3, random_state=0))


@model("sklearn")
def calibrated() -> Trained:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.svm import LinearSVC

    return piped(CalibratedClassifierCV(LinearSVC(random_state=0), cv=3))


@model("sklearn")
def transformed_target() -> Trained:
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.linear_model import Ridge

    return regression(TransformedTargetRegressor(Ridge(), func=np.sinh, inverse_func=np.arcsinh))


@model("sklearn")
def step_with_a_set() -> Trained:
    from sklearn.linear_model import LogisticRegression

    from zoo.steps import Words

    return piped(LogisticRegression(), Words())


@model("sklearn")
def step_with_tables() -> Trained:
    from sklearn.linear_model import LogisticRegression

    from zoo.steps import Frequencies

    return piped(LogisticRegression(), Frequencies())


@model("sklearn")
def step_that_is_a_lambda() -> Trained:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    pipeline = make_pipeline(FunctionTransformer(lambda rows: rows[["age"]] / 10), LogisticRegression())
    return fitted(pipeline, zoo_rows.customers(), "Churn", "classification")


@model("lightgbm")
def lightgbm_estimator() -> Trained:
    from lightgbm import LGBMClassifier

    rows = zoo_rows.numbers(regression=False)
    return fitted(LGBMClassifier(n_estimators=5, verbose=-1), rows, "y", "classification")


@model("lightgbm")
def lightgbm_on_categories() -> Trained:
    from lightgbm import LGBMClassifier

    rows = zoo_rows.customers(categories=True)
    return fitted(LGBMClassifier(n_estimators=5, verbose=-1), rows, "Churn", "classification")


@model("lightgbm")
def lightgbm_with_categories_inside() -> Trained:
    from lightgbm import LGBMClassifier
    from sklearn.pipeline import make_pipeline

    from zoo.steps import Categories

    pipeline = make_pipeline(Categories(), LGBMClassifier(n_estimators=5, verbose=-1))
    return fitted(pipeline, zoo_rows.customers(), "Churn", "classification")


@model("lightgbm")
def lightgbm_with_an_objective() -> Trained:
    from lightgbm import LGBMRegressor

    from zoo.steps import squared_error

    return regression(LGBMRegressor(n_estimators=5, verbose=-1, objective=squared_error))


@model("lightgbm")
def lightgbm_in_a_pipeline() -> Trained:
    from lightgbm import LGBMClassifier

    return piped(LGBMClassifier(n_estimators=5, verbose=-1))


@model("lightgbm")
def lightgbm_booster() -> Trained:
    import lightgbm

    rows = zoo_rows.numbers(regression=False)
    data = lightgbm.Dataset(rows.drop(columns="y"), rows["y"])
    return lightgbm.train({"objective": "binary", "verbose": -1}, data, 5), rows, "y", "classification"


@model("xgboost")
def xgboost_on_categories() -> Trained:
    from xgboost import XGBClassifier

    rows = zoo_rows.coded(categories=True)
    return fitted(XGBClassifier(n_estimators=5, enable_categorical=True), rows, "Churn", "classification")


@model("xgboost")
def xgboost_with_a_code_for_missing() -> Trained:
    from xgboost import XGBRegressor

    rows = zoo_rows.numbers()
    rows.loc[::3, "a"] = -999.0
    return fitted(XGBRegressor(n_estimators=5, missing=-999.0), rows, "y", "regression")


@model("xgboost")
def xgboost_that_asks_for_a_gpu() -> Trained:
    from xgboost import XGBRegressor

    return regression(XGBRegressor(n_estimators=5, device="cuda"))


@model("xgboost")
def xgboost_that_stops_early() -> Trained:
    from xgboost import XGBRegressor

    rows = zoo_rows.numbers()
    watched = [(rows.drop(columns="y"), rows["y"])]
    return regression(XGBRegressor(n_estimators=9, early_stopping_rounds=3), eval_set=watched, verbose=False)


@model("xgboost")
def xgboost_in_a_pipeline() -> Trained:
    from xgboost import XGBClassifier

    return piped(XGBClassifier(n_estimators=5), rows=zoo_rows.coded())


@model("xgboost")
def xgboost_booster() -> Trained:
    import xgboost

    rows = zoo_rows.numbers(regression=False)
    data = xgboost.DMatrix(rows.drop(columns="y"), rows["y"])
    return xgboost.train({"objective": "binary:logistic"}, data, 5), rows, "y", "classification"


@model("torch")
def network() -> Trained:
    import torch

    from zoo.nets import Net, trained

    torch.manual_seed(0)
    rows = zoo_rows.numbers()
    return trained(Net(4), rows), rows, "y", "regression"


@model("torch")
def network_of_layers() -> Trained:
    import torch

    torch.manual_seed(0)
    layers = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    return layers, zoo_rows.numbers(), "y", "regression"


@model("torch")
def scripted_network() -> Trained:
    import torch

    return torch.jit.script(network_of_layers()[0]), zoo_rows.numbers(), "y", "regression"


@model("mlflow")
def rule() -> Trained:
    from zoo.rules import Rule

    rows = zoo_rows.customers()
    return Rule().learn(rows), rows, "Churn", "classification"


@model("mlflow")
def rule_of_a_local_class() -> Trained:
    from zoo.rules import local_rule

    rows = zoo_rows.customers()
    return local_rule(rows, 5.0), rows, "Churn", "classification"
