"""Recurring runs that are made once, replaced when their content changes, and never doubled.

The server keeps no content that could be compared (it stores the compiled workflow of its own release), and changes no
recurring run. So a hash of the content stands in the description, and a change makes a new recurring run:

1. the new one is created, paused; 2. the old one is paused; 3. nothing of the old one may be running; 4. the new one is
let go; 5. the old one is deleted.

At no moment do two fire. Until the last step both exist, so that a call that was killed anywhere between is finished by
the next one, and a schedule is not lost: deleting first would lose it between the steps, creating it active would let
both fire.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import kfp_server_api as kfp

from kubeflow.client import Client
from kubeflow.transport import ClusterError
from pipeline.errors import EdgeError, UserError

MAX_CONCURRENCY = 1
_CONTENT = re.compile(r"^tfx-edge content ([0-9a-f]{64}) (active|paused)$", re.MULTILINE)

Action = Literal["created", "unchanged", "replaced"]


@dataclass(frozen=True)
class Wanted:
    """A schedule as it should be.

    Attributes:
        name: Its name, one a namespace.
        cron: Six fields, second first.
        package: The compiled pipeline.
        pipeline: Ids of the pipeline and of its version that holds the package.
        experiment: Id of the experiment that gets the runs.
        service_account: Whose rights runs have; `None`: the server's default.
        source: The configuration's file, for people.
    """

    name: str
    cron: str
    package: str
    pipeline: tuple[str, str]
    experiment: str
    service_account: str | None
    source: str

    @property
    def sha256(self) -> str:
        """Hash of all that decides what runs when; not of where it was written."""
        content = {
            "package": hashlib.sha256(self.package.encode()).hexdigest(),
            "cron": self.cron,
            "experiment": self.experiment,
            "service_account": self.service_account,
            "max_concurrency": MAX_CONCURRENCY,
            "no_catchup": True,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def body(self, created_active: bool, ends_active: bool) -> kfp.V2beta1RecurringRun:
        """What is sent to the server; `ends_active` is what it is to be once a replacement is complete."""
        intent = "active" if ends_active else "paused"
        pipeline_id, version_id = self.pipeline
        return kfp.V2beta1RecurringRun(
            display_name=self.name,
            description=f"{self.source}, by python -m kubeflow schedule\ntfx-edge content {self.sha256} {intent}",
            experiment_id=self.experiment,
            pipeline_version_reference=kfp.V2beta1PipelineVersionReference(pipeline_id, version_id),
            trigger=kfp.V2beta1Trigger(cron_schedule=kfp.V2beta1CronSchedule(cron=self.cron)),
            mode=kfp.RecurringRunMode.ENABLE if created_active else kfp.RecurringRunMode.DISABLE,
            # A number of 64 bits, which JSON writes as text.
            max_concurrency=str(MAX_CONCURRENCY),
            # What was missed lies in the spans, which the next run reads.
            no_catchup=True,
            service_account=self.service_account,
        )


@dataclass(frozen=True)
class Made:
    """What became of a wanted schedule.

    Attributes:
        action: What was done.
        id: Of the recurring run that is there now.
        active: Whether it fires.
        removed: Ids of those that it replaced.
    """

    action: Action
    id: str
    active: bool
    removed: tuple[str, ...] = ()


def content_of(recurring: kfp.V2beta1RecurringRun) -> str | None:
    """The hash in its description; `None`: somebody else made it."""
    found = _CONTENT.search(recurring.description or "")
    return found[1] if found else None


def is_active(recurring: kfp.V2beta1RecurringRun) -> bool:
    """Whether it fires."""
    return str(recurring.mode or "") == kfp.RecurringRunMode.ENABLE or recurring.status == "ENABLED"


def ours(client: Client, name: str | None = None) -> list[kfp.V2beta1RecurringRun]:
    """Recurring runs that this command made, oldest first; of one name, or all.

    Raises:
        UserError: Another one has the name.
    """
    found = client.recurring(name)
    mine = [each for each in found if content_of(each) is not None]
    if name is not None and len(mine) < len(found):
        foreign = next(each for each in found if content_of(each) is None)
        raise UserError(
            f"the schedule {name} must be one that this command made, got {foreign.recurring_run_id}, made by others; "
            "delete that one on the pages of Kubeflow, or choose another --name"
        )
    return mine


def apply(client: Client, wanted: Wanted) -> Made:
    """Makes the server's schedule the wanted one; a second call changes nothing.

    Raises:
        ClusterError: A run of the schedule that would be replaced is going on.
    """
    there = ours(client, wanted.name)
    same = [each for each in there if content_of(each) == wanted.sha256]
    if not there:
        return _create(client, wanted)
    if len(there) == 1 and same:
        return Made("unchanged", str(same[0].recurring_run_id), is_active(same[0]))
    return _replace(client, wanted, there, same[0] if same else None)


def _create(client: Client, wanted: Wanted) -> Made:
    made = client.create_recurring(wanted.body(created_active=True, ends_active=True))
    # Names are not unique on the server: of two clients at once, the later one takes its own back.
    first = ours(client, wanted.name)[0]
    if first.recurring_run_id != made and content_of(first) == wanted.sha256:
        client.delete(made)
        return Made("unchanged", str(first.recurring_run_id), is_active(first))
    return Made("created", made, True)


def _replace(
    client: Client, wanted: Wanted, there: Sequence[kfp.V2beta1RecurringRun], new: kfp.V2beta1RecurringRun | None
) -> Made:
    old = [each for each in there if each is not new]
    # With several there, a replacement was cut off, and what it was to end as stands in their descriptions.
    active = any(map(is_active, there)) or (len(there) > 1 and any(map(_meant_active, there)))
    new_id = (
        client.create_recurring(wanted.body(created_active=False, ends_active=active))
        if new is None
        else str(new.recurring_run_id)
    )
    try:
        _quiet(client, old)
        if active:
            client.enable(new_id)
    except EdgeError as error:
        _undo(client, old[-1].recurring_run_id if active else None, new_id, error)
        raise
    for each in old:
        client.delete(each.recurring_run_id)
    return Made("replaced", new_id, active, tuple(str(each.recurring_run_id) for each in old))


def _quiet(client: Client, old: Sequence[kfp.V2beta1RecurringRun]) -> None:
    """Pauses recurring runs and makes sure that no run of theirs is going on.

    Raises:
        ClusterError: One is.
    """
    for each in old:
        if is_active(each):
            client.disable(each.recurring_run_id)
    for each in old:
        for run in client.going(each.recurring_run_id):
            raise ClusterError(
                f"the schedule {each.display_name} was left as it was: its run {run.run_id} is going on, and the "
                "changed schedule could start a second one beside it; call again when it has ended"
            )


def _undo(client: Client, old_id: str | None, new_id: str, cause: EdgeError) -> None:
    """Makes the old one the active one again. The new one is paused first: nobody knows how far it got."""
    try:
        client.disable(new_id)
        if old_id is not None:
            client.enable(old_id)
        client.delete(new_id)
    except EdgeError as error:
        told = "the schedule is half replaced and may not fire: call again when the server answers"
        raise ClusterError(f"{cause}; {told}") from error


def _meant_active(recurring: kfp.V2beta1RecurringRun) -> bool:
    found = _CONTENT.search(recurring.description or "")
    return found is not None and found[2] == "active"


def switch(client: Client, name: str, active: bool) -> str:
    """Pauses a schedule, or lets it go on; returns its id.

    Raises:
        UserError: There is none, or a replacement of it was cut off.
    """
    there = ours(client, name)
    if not there:
        raise UserError(f"a schedule {name} must exist, got none; python -m kubeflow schedule CONFIG makes it")
    if active and len(there) > 1:
        raise UserError(
            f"the schedule {name} must be there once, got it half replaced; call schedule CONFIG to finish that"
        )
    for each in there:
        (client.enable if active else client.disable)(each.recurring_run_id)
    return str(there[-1].recurring_run_id)


def remove(client: Client, name: str) -> list[str]:
    """Deletes a schedule; returns the ids of what there was."""
    there = ours(client, name)
    for each in there:
        client.delete(each.recurring_run_id)
    return [str(each.recurring_run_id) for each in there]


def described(recurring: kfp.V2beta1RecurringRun) -> dict[str, Any]:
    """A recurring run as JSON values."""
    trigger = recurring.trigger.cron_schedule if recurring.trigger else None
    return {
        "id": recurring.recurring_run_id,
        "name": recurring.display_name,
        "cron": trigger.cron if trigger else None,
        "active": is_active(recurring),
        "content": content_of(recurring),
        "created_at": recurring.created_at.isoformat() if recurring.created_at else None,
    }
