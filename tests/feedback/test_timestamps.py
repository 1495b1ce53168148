"""outcomeTimestamp: every form that RFC 3339 allows, and none that it does not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cds_service.feedback.timestamps import read_timestamp

NINE = datetime(2026, 11, 22, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22T09:00:00Z", NINE),
        ("2026-11-22t09:00:00z", NINE),
        ("2026-11-22T09:00:00.000Z", NINE),
        ("2026-11-22T09:00:00.25Z", NINE.replace(microsecond=250_000)),
        ("2026-11-22T09:00:00.1234567891Z", NINE.replace(microsecond=123_456)),
        ("2026-11-22T09:00:00+00:00", NINE),
        ("2026-11-22T09:00:00-00:00", NINE),
        ("2026-11-22T10:30:00+01:30", NINE),
        ("2026-11-22T04:00:00-05:00", NINE),
        ("2026-11-23T08:59:00+23:59", NINE),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
def test_a_date_time_of_the_standard_is_read(text: str, moment: datetime) -> None:
    assert read_timestamp(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-11-22",
        "2026-11-22T09:00:00",
        "2026-11-22 09:00:00Z",
        "2026-11-22T09:00Z",
        "2026-11-22T09:00:00.Z",
        "2026-11-22T09:00:00,5Z",
        "2026-11-22T09:00:00+0100",
        "2026-11-22T09:00:00+24:00",
        "2026-11-22T09:00:00+01:60",
        "2026-13-01T09:00:00Z",
        "2026-02-30T09:00:00Z",
        "2023-02-29T09:00:00Z",
        "2026-11-22T24:00:00Z",
        "2026-11-22T09:00:61Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:60Z",
        "9999-12-31T23:59:59-00:01",
        "٢٠٢٦-11-22T09:00:00Z",
        " 2026-11-22T09:00:00Z",
        "2026-11-22T09:00:00Z\n",
        "1763802000",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        read_timestamp(text)
