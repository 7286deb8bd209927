"""The flags of the command `backfill`."""

from exporter.config.command_settings import ADOPT, LABELS, OUTPUT, REMOTE_WRITE, SINCE, STEP, UNTIL
from exporter.config.handover import STREAM
from exporter.config.model import BackfillConfig
from exporter.config.problems import InvalidValue, Problem
from exporter.config.raw import RawValues, optional_value, value
from exporter.config.receiver import read_remote_write
from exporter.config.target_labels import EXAMPLE


def read_backfill(raw: RawValues, problems: list[Problem]) -> BackfillConfig:
    """Return what `backfill` writes."""
    given, directory = raw.get(OUTPUT.name), None
    if given is None:
        if REMOTE_WRITE.name not in raw:
            fix = f"Name a directory: {OUTPUT.flag}=DIR; or {STREAM} for standard output; or {REMOTE_WRITE.flag}=URL."
            problems.append(Problem(OUTPUT.flag, "is missing.", fix))
    elif REMOTE_WRITE.name in raw:
        what = f"excludes {given.where}."
        problems.append(Problem(raw[REMOTE_WRITE.name].where, what, "Leave one of them out: files, or a receiver."))
    elif given.text != STREAM:
        try:
            directory = given.path
        except InvalidValue as error:
            problems.append(error.at(given.where))
    labels = optional_value(raw, LABELS, problems)
    if labels is None and LABELS.name not in raw:
        what = "is missing: without them history would be other series than the live ones."
        problems.append(
            Problem(LABELS.flag, what, f"Write those that Prometheus shows at /targets: {LABELS.flag}={EXAMPLE}")
        )
    since_s, until_s = optional_value(raw, SINCE, problems), optional_value(raw, UNTIL, problems)
    if since_s is not None and until_s is not None and since_s <= until_s:
        problems.append(Problem(UNTIL.flag, f"is before {SINCE.flag}: nothing is left.", "Give a shorter time."))
    return BackfillConfig(
        output=directory,
        stdout=given is not None and given.text == STREAM,
        labels=labels or {},
        step_s=optional_value(raw, STEP, problems),
        since_s=since_s,
        until_s=until_s,
        adopt=value(raw, ADOPT, problems),
        remote_write=read_remote_write(raw, problems),
    )
