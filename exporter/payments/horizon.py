"""How far back the audit checks that every payment was counted, and the list of counted runs must reach."""

from exporter.payments.payment import NS_PER_US

AUDITED_US = 30 * 86_400_000_000
"""Thirty days, in microseconds.

An HTLC is held for two weeks at most (2,016 blocks, lnd's default limit). If the audit is twice as fast as payments
come, it comes to each payment twice within this time, the second time when it is 15 to 30 days old: after its end.
"""


def newest_credible_us(now_ns: int, newest_us: int) -> int:
    """Return the creation of the newest run, but at most our time: one of both clocks may be ahead."""
    return min(now_ns // NS_PER_US, newest_us)


def audited_from_us(now_ns: int, newest_us: int) -> int:
    """Return the creation time up to which runs are no longer audited, microseconds since 1970."""
    return newest_credible_us(now_ns, newest_us) - AUDITED_US
