"""Webhooks and costs, which staff look after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .rows import JSON, Code, Delivery, MachineRate, Rate, Webhook
from .transport import Transport

CALLS: dict[str, tuple[str, str]] = {
    "webhooks": ("GET", "/webhooks/"),
    "add_webhook": ("POST", "/webhooks/"),
    "webhook": ("GET", "/webhooks/{code}/"),
    "change_webhook": ("PUT", "/webhooks/{code}/"),
    "delete_webhook": ("DELETE", "/webhooks/{code}/"),
    "rotate_secret": ("POST", "/webhooks/{code}/secret/"),
    "enable_webhook": ("POST", "/webhooks/{code}/enable/"),
    "send_test": ("POST", "/webhooks/{code}/test/"),
    "deliveries": ("GET", "/webhooks/{code}/messages/"),
    "resend": ("POST", "/webhooks/messages/{code}/resend/"),
    "costs": ("GET", "/costs/"),
    "pay_rates": ("GET", "/costs/rates/"),
    "add_pay_rate": ("POST", "/costs/rates/"),
    "machine_rates": ("GET", "/costs/machine-rates/"),
    "add_machine_rate": ("POST", "/costs/machine-rates/"),
}


class StaffCalls(Transport):
    """What other programs are told, and what everything costs."""

    def webhooks(self) -> Iterator[Webhook]:
        """Give webhooks, newest first."""
        return self.pages(CALLS["webhooks"], Webhook, {})

    def add_webhook(self, name: str, url: str, events: Sequence[str]) -> tuple[str, str]:
        """Make a webhook; returns its code and its secret, which is told only now."""
        made = self.call(CALLS["add_webhook"], {"name": name, "url": url, "events": list(events)})
        return made["webhook"], made["secret"]

    def webhook(self, code: Code) -> Webhook:
        """Return a webhook."""
        return Webhook.read(self.call(CALLS["webhook"], code=code))

    def change_webhook(self, code: Code, *, name: str, url: str, events: Sequence[str]) -> Webhook:
        """Change name, address and events."""
        body: JSON = {"name": name, "url": url, "events": list(events)}
        return Webhook.read(self.call(CALLS["change_webhook"], body, code=code))

    def delete_webhook(self, code: Code) -> None:
        """Take a webhook away."""
        self.call(CALLS["delete_webhook"], code=code)

    def rotate_secret(self, code: Code) -> str:
        """Return another secret; for a day messages are signed with both."""
        return str(self.call(CALLS["rotate_secret"], code=code)["secret"])

    def enable_webhook(self, code: Code) -> Webhook:
        """Switch a webhook on again."""
        return Webhook.read(self.call(CALLS["enable_webhook"], code=code))

    def send_test(self, code: Code) -> Delivery:
        """Send a message that says nothing."""
        return Delivery.read(self.call(CALLS["send_test"], code=code))

    def deliveries(self, code: Code) -> Iterator[Delivery]:
        """Give the messages of a webhook, newest first."""
        return self.pages(CALLS["deliveries"], Delivery, {}, code=code)

    def resend(self, delivery: Code) -> Delivery:
        """Send a message again, with the same number."""
        return Delivery.read(self.call(CALLS["resend"], code=delivery))

    def costs(self, *, simulated: bool = False) -> JSON:
        """Return hours and money by kind, round and point of win rate."""
        return self.call(CALLS["costs"], query={"simulated": "yes"} if simulated else None)

    def pay_rates(self) -> Iterator[Rate]:
        """Give the prices of an hour, newest first."""
        return self.pages(CALLS["pay_rates"], Rate, {})

    def add_pay_rate(self, per_hour: str, currency: str, valid_from: str, **narrower: Any) -> Rate:
        """Set what an hour costs from a day on, for all or for a labeler, a vendor or a kind of task."""
        body: JSON = {"per_hour": per_hour, "currency": currency, "valid_from": valid_from, **narrower}
        return Rate.read(self.call(CALLS["add_pay_rate"], body))

    def machine_rates(self) -> Iterator[MachineRate]:
        """Give the prices of an hour of a run, newest first."""
        return self.pages(CALLS["machine_rates"], MachineRate, {})

    def add_machine_rate(self, per_hour: str, valid_from: str, *, queue: str = "") -> MachineRate:
        """Set what an hour of a run costs from a day on, in the currency of the rates for labeling."""
        body: JSON = {"per_hour": per_hour, "valid_from": valid_from, "queue": queue}
        return MachineRate.read(self.call(CALLS["add_machine_rate"], body))
