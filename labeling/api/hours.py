"""Hours at work, for those who pay them."""

import zoneinfo

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.permissions import Requires
from labeling.api.serializers import Body, ErrorBody
from labeling.rules.access import Action
from labeling.rules.hours import HEADER, hours_by_week


class HoursFilter(Body):
    """Which weeks, whose, and in which time zone they begin."""

    first = serializers.DateField()
    last = serializers.DateField()
    vendor = serializers.CharField(required=False)
    time_zone = serializers.CharField(default="UTC")
    with_simulated = serializers.BooleanField(default=False)

    def validate_time_zone(self, name: str) -> str:
        """Refuse what is not a time zone."""
        if name not in zoneinfo.available_timezones():
            raise serializers.ValidationError(f'"{name}" is not a time zone, such as Europe/Berlin.')
        return name


class WeekBody(Body):
    """One labeler's week, Monday to Sunday."""

    week = serializers.CharField(help_text="ISO week, such as 2026-W47.")
    week_starts = serializers.DateField()
    time_zone = serializers.CharField()
    labeler = serializers.CharField(help_text="Pseudonym.")
    name = serializers.CharField()
    vendor = serializers.CharField()
    cohort = serializers.CharField()
    hours = serializers.FloatField(help_text="Idle time left out; skipped tasks and drafts count.")
    seconds = serializers.IntegerField()
    submitted = serializers.IntegerField()
    skipped = serializers.IntegerField()
    unfinished = serializers.IntegerField()
    screening_seconds = serializers.IntegerField(help_text="How much of `seconds` went into the screening.")


class Hours(APIView):
    """Hours by week, vendor and labeler."""

    permission_classes = (Requires(Action.EXPORT_HOURS),)

    @extend_schema(
        parameters=[HoursFilter],
        responses={200: WeekBody(many=True), 403: ErrorBody, 422: ErrorBody},
        tags=["labelers"],
    )
    def get(self, request: Request) -> Response:
        """Return the weeks of a period, newest first."""
        wanted = HoursFilter(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        asked = wanted.validated_data
        weeks = hours_by_week(
            first=asked["first"],
            last=asked["last"],
            zone=zoneinfo.ZoneInfo(asked["time_zone"]),
            vendor=asked.get("vendor"),
            simulated=asked["with_simulated"],
        )
        return Response([dict(zip(HEADER, week.as_row(), strict=True)) for week in weeks])
