"""The models of endpoints and deployments, comparisons and votes, evaluations."""

from inference.models.comparisons import Comparison, Reply, Side, Turn, Vote
from inference.models.endpoints import Deployment, Endpoint
from inference.models.evaluations import Evaluation, EvaluationAnswer

__all__ = [
    "Comparison",
    "Deployment",
    "Endpoint",
    "Evaluation",
    "EvaluationAnswer",
    "Reply",
    "Side",
    "Turn",
    "Vote",
]
