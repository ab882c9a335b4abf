"""
The library for notebooks: ids go in, ids come out, and the code that serves readers does the work.

Example:
    >>> from recommendation.notebook import Model, evaluate, interactions, read_store
    >>> data = read_store("sqlite:///.demo/app.db")
    >>> model = Model.load(".demo/models/cf.pkl")
    >>> model.recommend(data.history("u-000001"), n=3)
    >>> print(evaluate(data))
"""

try:
    from recommendation.engine.settings import EngineSettings
    from recommendation.evaluation.data import Dataset
    from recommendation.evaluation.plots import Plot
    from recommendation.notebook.evaluating import Evaluation, evaluate
    from recommendation.notebook.reading import interactions, read_store
    from recommendation.notebook.trained import Contribution, Nearest, Recommended
    from recommendation.notebook.trained import TrainedModel as Model
except ModuleNotFoundError as error:
    raise ImportError(
        f"recommendation.notebook needs {error.name}: pip install 'recommendation-service[jobs]'", name=error.name
    ) from error

__all__ = [
    "Contribution",
    "Dataset",
    "EngineSettings",
    "Evaluation",
    "Model",
    "Nearest",
    "Plot",
    "Recommended",
    "evaluate",
    "interactions",
    "read_store",
]
