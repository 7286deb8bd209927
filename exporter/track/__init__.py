"""The command `track`: follows one payment in lnd until it ends."""

from exporter.track.command import FAILED, NOT_FOLLOWED, SUCCEEDED, track

__all__ = ["FAILED", "NOT_FOLLOWED", "SUCCEEDED", "track"]
