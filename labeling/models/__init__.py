"""The labeling side's rows, one noun a file."""

from labeling.models.anchors import Anchor, AnchorResponse, AnchorSet
from labeling.models.assignments import Assignment, Draft, Receipt, Skip
from labeling.models.audit import AuditEvent
from labeling.models.author_caps import AuthorCap
from labeling.models.base import CodedModel, Cohort, Split, TaskKind
from labeling.models.batch_templates import BatchTemplate
from labeling.models.batches import MAX_K, MIN_K, Batch, Candidate, Task
from labeling.models.comparisons import LIKERT_MAX, LIKERT_MIN, Place, PlaceQuerySet, Ranking
from labeling.models.demonstrations import Demonstration
from labeling.models.guidelines import Acknowledgement, Form, Guideline
from labeling.models.labelers import Invitation, Labeler, Qualification, Role, User
from labeling.models.pay_rates import PayRate
from labeling.models.policies import Policy, Response
from labeling.models.preferences import Preferences
from labeling.models.prompt_judgements import PromptJudgement
from labeling.models.prompt_notices import PromptNotice
from labeling.models.prompts import Category, Intake, Prompt, PromptKind, PromptSource, Refusal
from labeling.models.quality import QualityReport, ResponseScore
from labeling.models.questions import Question, QuestionRead
from labeling.models.readings import Reading
from labeling.models.response_reports import ResponseReport
from labeling.models.reviews import Adjudication, FlagAnswer, GoldAnswer, Review
from labeling.models.screening import (
    GRADE_MAX,
    GRADE_MIN,
    ScreeningAnswer,
    ScreeningAttempt,
    ScreeningDecision,
    ScreeningGrade,
    ScreeningItem,
    ScreeningTest,
)
from labeling.models.skip_attention import SkipAttention
from labeling.models.surveys import Survey, SurveyCount, SurveyParticipation
from labeling.models.terms import Consent, Terms
from labeling.models.use_cases import UseCase
from labeling.models.webhooks import Webhook, WebhookDelivery, WebhookEvent
from labeling.models.written_prompts import WrittenPrompt

__all__ = [
    "GRADE_MAX",
    "GRADE_MIN",
    "LIKERT_MAX",
    "LIKERT_MIN",
    "MAX_K",
    "MIN_K",
    "Acknowledgement",
    "Adjudication",
    "Anchor",
    "AnchorResponse",
    "AnchorSet",
    "Assignment",
    "AuditEvent",
    "AuthorCap",
    "Batch",
    "BatchTemplate",
    "Candidate",
    "Category",
    "CodedModel",
    "Cohort",
    "Consent",
    "Demonstration",
    "Draft",
    "FlagAnswer",
    "Form",
    "GoldAnswer",
    "Guideline",
    "Intake",
    "Invitation",
    "Labeler",
    "PayRate",
    "Place",
    "PlaceQuerySet",
    "Policy",
    "Preferences",
    "Prompt",
    "PromptJudgement",
    "PromptKind",
    "PromptNotice",
    "PromptSource",
    "Qualification",
    "QualityReport",
    "Question",
    "QuestionRead",
    "Ranking",
    "Reading",
    "Receipt",
    "Refusal",
    "Response",
    "ResponseReport",
    "ResponseScore",
    "Review",
    "Role",
    "ScreeningAnswer",
    "ScreeningAttempt",
    "ScreeningDecision",
    "ScreeningGrade",
    "ScreeningItem",
    "ScreeningTest",
    "Skip",
    "SkipAttention",
    "Split",
    "Survey",
    "SurveyCount",
    "SurveyParticipation",
    "Task",
    "TaskKind",
    "Terms",
    "UseCase",
    "User",
    "Webhook",
    "WebhookDelivery",
    "WebhookEvent",
    "WrittenPrompt",
]
