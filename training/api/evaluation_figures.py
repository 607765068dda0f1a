"""Every judged policy beside one baseline, for staff: win rates, ratings and flags, as in the paper."""

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.permissions import Requires
from labeling.api.serializers import Body, ErrorBody
from labeling.errors import InvalidInput
from labeling.rules.access import Action
from training.api.evaluations import WinRateBody
from training.rules.evaluation_figures import (
    DISTRIBUTIONS,
    Judged,
    PolicyFigures,
    figures_against,
    judged_policies,
    left_out,
)

NAMED = 20
"""So many policies a refusal names."""
ORIGINS = "; ".join(f"{key}: {title.lower()}" for key, title in DISTRIBUTIONS.items())


class FiguresQuery(Body):
    """Against whom, and by which judgements."""

    baseline = serializers.CharField(help_text="The name of a policy that was judged.")
    judged = serializers.ChoiceField(
        choices=[kind.value for kind in Judged],
        default=Judged.FINAL.value,
        help_text="final: evaluations; control: comparisons on prompts drawn at random.",
    )
    policy = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Names, to see only these; otherwise all."
    )


class ShareBody(Body):
    """A share or a mean with its 95 % interval, clustered by prompt."""

    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    count = serializers.IntegerField(help_text="Judgements.")
    prompts = serializers.IntegerField()


class PolicyFiguresBody(Body):
    """What labelers said of one policy."""

    policy = serializers.CharField()
    rates = serializers.DictField(child=WinRateBody(), help_text="By cohort; all: of all labelers.")
    by_distribution = serializers.DictField(child=WinRateBody(), help_text=ORIGINS)
    by_both = serializers.DictField(
        child=serializers.DictField(child=WinRateBody()),
        help_text="By cohort, then by origin of prompts.",
    )
    likert = ShareBody(help_text="The mean rating, 1 to 7.")
    flags = serializers.DictField(child=ShareBody(), help_text="The share of responses with each flag.")


class FiguresBody(Body):
    """Judged policies by name, the baseline's own ratings and flags among them."""

    baseline = serializers.CharField()
    judged = serializers.CharField()
    left_out = serializers.IntegerField(
        help_text="Rankings with a trained policy's answer to a training author; they do not count."
    )
    policies = PolicyFiguresBody(many=True)


class Figures(APIView):
    """What labelers said of all policies."""

    permission_classes = (Requires(Action.SEE_MODELS),)

    @extend_schema(
        parameters=[FiguresQuery],
        responses={200: FiguresBody, 403: ErrorBody, 422: ErrorBody},
        tags=["evaluations"],
    )
    def get(self, request: Request) -> Response:
        """Return win rates against a baseline by cohort and origin of prompts, ratings and flags."""
        query = FiguresQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        judged = Judged(query.validated_data["judged"])
        policies = judged_policies(judged)
        wanted = query.validated_data["baseline"]
        baseline = next((policy for policy in policies if policy.name == wanted), None)
        if baseline is None:
            known = ", ".join(policy.name for policy in policies[:NAMED]) or "none yet"
            more = ", …" if len(policies) > NAMED else ""
            text = f'baseline: no policy "{wanted}" was judged so; judged were: {known}{more}.'
            raise InvalidInput(text, fields={"baseline": text})
        names = query.validated_data.get("policy")
        chosen = [policy for policy in policies if policy.name in names] if names else policies
        found = figures_against(baseline, chosen, judged)
        return Response(
            {
                "baseline": baseline.name,
                "judged": judged.value,
                "left_out": left_out() if judged is Judged.FINAL else 0,
                "policies": [*map(_body, found)],
            }
        )


def _body(found: PolicyFigures) -> dict[str, Any]:
    both: dict[str, dict[str, Any]] = {}
    for (cohort, origin), rate in found.by_both.items():
        both.setdefault(cohort, {})[origin] = rate.as_mapping()
    return {
        "policy": found.policy.name,
        "rates": {group: rate.as_mapping() for group, rate in found.rates.items()},
        "by_distribution": {origin: rate.as_mapping() for origin, rate in found.by_distribution.items()},
        "by_both": both,
        "likert": asdict(found.likert),
        "flags": {flag: asdict(share) for flag, share in found.flags.items()},
    }
