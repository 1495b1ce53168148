"""The Spark engine writes the same rows as the local one."""

from __future__ import annotations

import gzip
import random
import shutil
from importlib.util import find_spec
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cds_service.rehearsal.errors import RehearsalError

from .population import LISINOPRIL, patient, write_export
from .running import rows, run, summary
from .stories import told
from .test_mapping import not_decided
from .test_moments import medication, referring, refills_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("pyspark") is None, reason="make install-spark was not run"),
    pytest.mark.skipif(shutil.which("java") is None, reason="Java is not on this machine"),
    # What Spark itself imports and opens.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
AS_OF = {"transactionTime": "2026-11-22T00:00:00Z"}


def test_a_damaged_file_ends_the_run_and_is_named(tmp_path: Path) -> None:
    """Spark could leave such files out, but then what they hold would be absent."""
    folder = write_export(tmp_path / "in", [patient("c")], manifest=AS_OF, zipped=True)
    whole = gzip.compress(b'{"resourceType":"Condition","id":"x"}\n' * 9)
    (folder / "Condition.000.ndjson.gz").write_bytes(whole[:-12])
    with pytest.raises(RehearsalError, match=r"damaged files: Condition\.000\.ndjson\.gz\."):
        run(folder, tmp_path / "out", engine="spark", master="local[1]")


def test_both_engines_write_the_same_rows(tmp_path: Path) -> None:
    """Lines and files in another order, in other files, and gzipped."""
    resources = [r for _, _, story in told(2) for r in story.resources]
    resources += [r for n in range(6) for r in not_decided(f"b{n}")]
    resources += [patient("c"), *(medication(f"m{n}", LISINOPRIL) for n in (1, 2))]
    resources += [referring("c", f"o{n}", f"m{n}", f"2025-0{n}-01") for n in (1, 2)]
    source = write_export(tmp_path / "one", resources, manifest=AS_OF)
    site = tmp_path / "site.yaml"
    site.write_text("site: {id: quiet, title: Quiet}\ncards: {mg-suggest: {mode: never}}\n")
    local = run(source, tmp_path / "local", against=site)
    random.Random(5).shuffle(resources)  # noqa: S311
    other = write_export(tmp_path / "two", resources, manifest=AS_OF, parts=3, zipped=True)
    with (other / "Observation.003.ndjson").open("w") as file:
        file.write('{"resourceType":"Observation"\n')
    spark = run(other, tmp_path / "spark", engine="spark", master="local[2]", against=site)
    assert rows(spark) == rows(local)
    assert len(rows(local)) > 80
    one, two = (pq.read_table(out / "changes.parquet").to_pylist() for out in (spark, local))
    assert one == two
    assert len(one) > 5
    found, expected = summary(spark), summary(local)
    assert refills_of(found) >= 1
    assert [row[2] for row in found["not_read"]][:2] == ["MG", "MIGR"]
    assert found["input"]["malformed_lines"] == 1
    without = {"input"}
    assert {k: v for k, v in found.items() if k not in without} == {
        k: v for k, v in expected.items() if k not in without
    }
    assert found["input"]["lines"] == expected["input"]["lines"]
    names = {"changes.parquet", "decisions.parquet", "report.html", "review.csv", "summary.json"}
    assert {path.name for path in (tmp_path / "spark").iterdir()} == names
