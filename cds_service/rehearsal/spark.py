"""The Spark engine: the same passes and the same functions as the local one, on a cluster.

Lines are read as text, go through `mapInArrow`, are brought together by partition of patients, and
decided by the function that the local engine uses. Only ids, counts and the finished rows come to
the driver. The package must be installed on the workers, and the Python the same.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from cds_service.rehearsal import comparing, rows
from cds_service.rehearsal.blocks import Block, bundle_block, is_damaged
from cds_service.rehearsal.comparing import CHANGES
from cds_service.rehearsal.deciding import Decider
from cds_service.rehearsal.errors import RehearsalError, UsageError
from cds_service.rehearsal.gathering import Gathering
from cds_service.rehearsal.journal import WORK
from cds_service.rehearsal.lines import Coded, Line, Order, patient_of, read_line
from cds_service.rehearsal.local import DECISIONS, label_of, merge
from cds_service.rehearsal.options import Options, as_of_of, gathered_kinds
from cds_service.rehearsal.partition import Records, Sent, decide_partition, deciders_of
from cds_service.rehearsal.products import Products, product_record, sorted_records
from cds_service.rehearsal.progress import phase
from cds_service.rehearsal.recognising import Recogniser
from cds_service.rehearsal.rules import rules_of
from cds_service.rehearsal.source import ANY, BUNDLE, KINDS, Source, open_source
from cds_service.rehearsal.spill import partition_bits, partition_of
from cds_service.rehearsal.summary import Summary, Totals
from cds_service.rehearsal.tasks import (
    CLINICIANS,
    CODES,
    LINES,
    MOMENTS,
    PEOPLE,
    Decided,
    Gathered,
    Setup,
    is_deleted,
    setup_of,
)
from cds_service.rehearsal.work import COMPARED, DECIDED, latest_date

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

MET: Final = "met"
LOOPBACK: Final = "127.0.0.1"
REMOTE_BITS: Final = 8
"""Partitions of patients of an input whose size is not known, as a power of two."""
_GATHERED = "what string, part int, data binary"
_RESULT = "what string, part int, data binary"
_BATCH_BYTES: Final = 4 * 1024 * 1024
Records_ = tuple[str, int, bytes]


class _Shared(NamedTuple):
    """What every task knows. It is sent to the workers with the function."""

    setup: Setup
    kinds: dict[str, str]

    def kind(self, path: str) -> str:
        """What the name of a file says it holds."""
        return self.kinds.get(path.rpartition("/")[2], ANY)


class SparkRun:
    """One run. It cannot be continued: with `resume` it starts again in the same folder."""

    def __init__(self, options: Options) -> None:
        os.umask(0o077)
        self._options = options
        self._source = _source(options.source)
        self._decider = Decider(rules_of(options.site))
        self._compared = label_of(options)
        self._work = _work(options)
        size = sum(piece.size for piece in self._source.pieces)
        self._bits = partition_bits(size) if size else REMOTE_BITS
        self._totals = Totals()

    @property
    def samples(self) -> list[Any]:
        """What is to be reviewed, after `run`."""
        return self._totals.samples

    @property
    def cards(self) -> Any:
        """The cards of the rules."""
        return self._decider.knowledge.cards

    def run(self) -> Summary:
        """Rehearse on Spark."""
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        spark = _session(self._options.master)
        try:
            as_of = self._as_of(spark)
            self._passes(spark, _Shared(self._setup(as_of), self._names()))
        except (PySparkException, Py4JError) as error:  # their texts may quote data
            raise RehearsalError(_why_it_failed(self._source, error)) from None
        finally:
            spark.stop()
        out = self._options.out
        merge(self._work / DECIDED, out / DECISIONS, rows.schema())
        if self._compared:
            merge(self._work / COMPARED, out / CHANGES, comparing.schema())
        return self._totals.summary(
            self._options, self._source, as_of, self._decider, self._compared
        )

    def close(self) -> None:
        """The run is over and all its files are written."""
        shutil.rmtree(self._work)

    def _names(self) -> dict[str, str]:
        return {piece.file.rpartition("/")[2]: piece.kind for piece in self._source.pieces}

    def _setup(self, as_of: str) -> Setup:
        work, bits = self._work, self._bits
        return setup_of(self._options, self._source, work=work, bits=bits, as_of=as_of)

    def _lines(self, spark: SparkSession, kinds: Iterable[str]) -> DataFrame:
        """The lines of the files that may hold these types: the name of the file, and the bytes."""
        from pyspark.sql.functions import col, input_file_name

        source = self._source
        whole = any(piece.kind == BUNDLE for piece in source.pieces)
        files = sorted({str(source.folder / p.file) for p in source.pieces_of(kinds)})
        paths = files or [f"{self._options.source.rstrip('/')}/*.ndjson*"]
        read = spark.read.text(paths, wholetext=whole)
        return read.select(input_file_name().alias("file"), col("value").cast("binary"))

    def _as_of(self, spark: SparkSession) -> str:
        options, source = self._options, self._source
        latest = ""
        if options.as_of is None and not source.transaction_time:
            found = self._ids(spark, "Looking for the latest date", KINDS, _dates(self._names()))
            latest = max(found, default="")
        return as_of_of(options, source, latest).written

    def _may_hold(self, kinds: Iterable[str]) -> bool:
        """Whether the input may hold resources of these types. That of a remote path is not known."""
        return not self._source.pieces or bool(self._source.pieces_of(kinds))

    def _ids(self, spark: SparkSession, title: str, kinds: Iterable[str], find: Any) -> list[str]:
        if not self._may_hold(kinds):
            return []
        with phase(title, 0):
            lines = self._lines(spark, kinds).mapInArrow(find, "id string")
            return sorted({row.id for row in lines.toLocalIterator()})

    def _passes(self, spark: SparkSession, shared: _Shared) -> None:
        magnesium = self._ids(
            spark, "Looking for magnesium among the medications", ["Medication"], _holding(shared)
        )
        patients = self._ids(
            spark,
            "Looking for the patients who can matter",
            ("Condition", "MedicationRequest", "MedicationStatement"),
            _mattering(shared, magnesium),
        )
        kinds = gathered_kinds(self._options)
        with phase("Gathering their data", 0):
            gathered = self._lines(spark, kinds).mapInArrow(_gather(shared, patients), _GATHERED)
            gathered = gathered.persist(_on_disk())
            departments, wanted = self._met(gathered)
        sent = Sent(self._medications(spark, wanted), self._products(spark, shared), departments)
        with phase("Deciding", 0):
            decided = (
                gathered.filter(f"what <> '{MET}'")
                .repartition(_partitions(spark, self._bits), "part")
                .sortWithinPartitions("part", "what", "data")
                .mapInArrow(_decide(shared, sent, visits=self._totals.visits), _RESULT)
            )
            self._take(decided)

    def _met(self, gathered: DataFrame) -> tuple[dict[str, str], set[str]]:
        departments: dict[str, str] = {}
        wanted: set[str] = set()
        for row in gathered.filter(f"what = '{MET}'").toLocalIterator():
            file, met = msgspec.json.decode(bytes(row.data), type=tuple[str, Gathered])
            self._totals.gathered(file, met)
            departments |= met.departments
            wanted |= set(met.medications)
        return departments, wanted

    def _medications(self, spark: SparkSession, wanted: set[str]) -> dict[str, bytes]:
        if not wanted:
            return {}
        found = self._lines(spark, ["Medication"]).mapInArrow(
            _wanted(self._names(), frozenset(wanted)), "id string, data binary"
        )
        lines = sorted({(row.id, bytes(row.data)) for row in found.toLocalIterator()})
        return dict(lines)

    def _products(self, spark: SparkSession, shared: _Shared) -> Products:
        """The products of all Medications, which the counts of orders need."""
        if not self._options.history or not self._may_hold(["Medication"]):
            return Products()
        found = self._lines(spark, ["Medication"]).mapInArrow(_named(shared), "data binary")
        return Products(sorted_records(bytes(row.data) for row in found.toLocalIterator()))

    def _take(self, decided: DataFrame) -> None:
        """Write what each partition resulted in, and add up its numbers."""
        results: dict[int, Decided] = {}
        for row in decided.toLocalIterator():
            if row.what == MET:
                results[row.part] = msgspec.json.decode(bytes(row.data), type=Decided)
                continue
            folder = self._work / row.what
            folder.mkdir(exist_ok=True)
            (folder / f"{row.part:04d}.parquet").write_bytes(bytes(row.data))
        for part in sorted(results):
            self._totals.decided(results[part])


def _source(path: str) -> Source:
    """The export: a folder of this machine, or any path that Spark reads."""
    if "://" not in path:
        return open_source(Path(path))
    return Source(Path(), (), frozenset(KINDS), notes=("The manifest was not read.",))


def _why_it_failed(source: Source, error: Exception) -> str:
    """The files that Spark cannot unpack, else the kind of its error: its text may quote data."""
    packed = sorted({piece.file for piece in source.pieces if piece.file.endswith(".gz")})
    damaged = [name for name in packed if is_damaged(source.folder / name)]
    if damaged:
        names = ", ".join(damaged)
        return (
            f"Spark cannot go on with damaged files: {names}. --engine local names and skips them."
        )
    return f"Spark failed ({type(error).__name__}). Its own log says where."


def _work(options: Options) -> Path:
    """An empty folder for what is not finished; raises `UsageError` where DIR holds other files."""
    work = options.out / WORK
    options.out.mkdir(parents=True, exist_ok=True)
    if options.resume and work.exists():
        shutil.rmtree(work)
    if any(options.out.iterdir()):
        raise UsageError(f"{options.out} is not empty. --resume starts an interrupted run again.")
    work.mkdir()
    return work


def _session(master: str) -> SparkSession:
    """A session; raises `RehearsalError` where Spark cannot start."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    package = Path(__file__).resolve().parents[2]
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "5000",
        "spark.executorEnv.PYTHONPATH": str(package),
    }
    if master.startswith("local"):  # nothing outside this machine can connect
        settings |= dict.fromkeys(("spark.driver.host", "spark.driver.bindAddress"), LOOPBACK)
    builder = SparkSession.builder.appName("rehearsal").master(master)
    for name, value in settings.items():
        builder = builder.config(name, value)
    try:
        session = builder.getOrCreate()
    except (PySparkException, Py4JError, OSError) as error:
        text = f"Spark does not start ({type(error).__name__}). It needs Java 17."
        raise RehearsalError(text) from None
    session.sparkContext.setLogLevel("ERROR")
    return session


def _on_disk() -> Any:
    from pyspark import StorageLevel

    return StorageLevel.DISK_ONLY


def _partitions(spark: SparkSession, bits: int) -> int:
    return int(min(2**bits, 4 * spark.sparkContext.defaultParallelism))


# ------------------------------------------------------------- what runs on the workers

Mapping_ = Callable[[Iterator["pa.RecordBatch"]], Iterator["pa.RecordBatch"]]


def _blocks(
    batches: Iterator[pa.RecordBatch], kinds: dict[str, str]
) -> Iterator[tuple[str, Block]]:
    """The lines of batches as blocks of one file, with the name of the file."""
    for batch in batches:
        files: dict[str, list[bytes]] = {}
        names, values = batch.column(0).to_pylist(), batch.column(1).to_pylist()
        for path, value in zip(names, values, strict=True):
            files.setdefault(path, []).append(value or b"")
        for path, lines in files.items():
            name = path.rpartition("/")[2]
            kind = kinds.get(name, ANY)
            if kind == BUNDLE:
                for content in lines:
                    yield name, bundle_block(content, name)
            else:
                yield name, Block(kind, 1, [line.removeprefix(b"\xef\xbb\xbf") for line in lines])


def _read(
    batches: Iterator[pa.RecordBatch], kinds: dict[str, str], deleted: frozenset[str]
) -> Iterator[tuple[Line, bytes]]:
    for _, block in _blocks(batches, kinds):
        for line in block.lines:
            read = read_line(block.kind, line) if line else None
            if read is not None and not (deleted and is_deleted(read, deleted)):
                yield read, line


def _of_ids(found: Iterable[str]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    ids = sorted(set(found) - {""})
    yield pa.record_batch({"id": pa.array(ids, pa.string())})


def _dates(kinds: dict[str, str]) -> Mapping_:
    def find(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from cds_service.knowledge.as_it_stood import load_as_it_stood

        lines = (line for _, block in _blocks(batches, kinds) for line in block.lines)
        yield from _of_ids([latest_date(lines, load_as_it_stood().moments)])

    return find


def _holding(shared: _Shared) -> Mapping_:
    """Medication resources that hold magnesium."""

    def find(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        recogniser = Recogniser(rules_of(shared.setup.site).knowledge)
        yield from _of_ids(
            read.id or ""
            for read, line in _read(batches, shared.kinds, shared.setup.deleted)
            if read.resourceType == "Medication" and recogniser.is_magnesium(line)
        )

    return find


def _named(shared: _Shared) -> Mapping_:
    """The products of Medication resources."""

    def find(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        found = {
            product_record(read)
            for read, _ in _read(batches, shared.kinds, shared.setup.deleted)
            if isinstance(read, Coded) and read.resourceType == "Medication"
        }
        yield pa.record_batch({"data": pa.array(sorted(found - {b""}), pa.binary())})

    return find


def _mattering(shared: _Shared, magnesium: Sequence[str]) -> Mapping_:
    """Patients who can matter."""

    def find(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        recogniser = Recogniser(rules_of(shared.setup.site).knowledge, magnesium)
        yield from _of_ids(
            patient_of(read) or ""
            for read, line in _read(batches, shared.kinds, shared.setup.deleted)
            if isinstance(read, Order | Coded) and recogniser.matters(read, line)
        )

    return find


def _wanted(kinds: dict[str, str], wanted: frozenset[str]) -> Mapping_:
    def find(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        found = [
            (read.id, line)
            for read, line in _read(batches, kinds, frozenset())
            if read.resourceType == "Medication" and read.id in wanted
        ]
        yield pa.record_batch(
            {
                "id": pa.array([own for own, _ in found], pa.string()),
                "data": pa.array([line for _, line in found], pa.binary()),
            }
        )

    return find


def _batch(records: Sequence[Records_]) -> pa.RecordBatch:
    import pyarrow as pa

    whats, parts, data = zip(*records, strict=True) if records else ((), (), ())
    return pa.record_batch(
        {
            "what": pa.array(whats, pa.string()),
            "part": pa.array(parts, pa.int32()),
            "data": pa.array(data, pa.binary()),
        }
    )


def _gather(shared: _Shared, patients: Sequence[str]) -> Mapping_:
    """The second pass: records by partition, and what was met."""
    setup = shared.setup

    def gather(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from pyspark import TaskContext

        from cds_service.knowledge.as_it_stood import load_as_it_stood

        rules, wanted = load_as_it_stood().moments, frozenset(patients)
        terminology = rules_of(setup.site).knowledge.terminology
        task = TaskContext.get()
        split = task.partitionId() if task is not None else 0
        waiting: list[Records_] = []

        def put(what: str, key: bytes, record: bytes) -> None:
            waiting.append((what, partition_of(key, setup.bits), record))

        gatherings: dict[str, Gathering] = {}
        for name, block in _blocks(batches, shared.kinds):
            if name not in gatherings:
                gatherings[name] = Gathering(
                    setup, wanted, rules, terminology, put, part=f"{name}:{split}"
                )
            gatherings[name].block(block.kind, block)
            if sum(len(data) for _, _, data in waiting) > _BATCH_BYTES:
                yield _batch(waiting)
                waiting.clear()
        for name, gathering in gatherings.items():
            met = gathering.met()
            # Spark does not number the lines of a file.
            met.faults = [(0, why) for _, why in met.faults]
            waiting.append((MET, 0, msgspec.json.encode((name, met))))
        yield _batch(waiting)

    return gather


def _decide(shared: _Shared, sent: Sent, *, visits: bool) -> Mapping_:
    """Decide the partitions of patients, which arrive one after the other."""

    def decide(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for part, records in _parts(batches):
            deciders = deciders_of(shared.setup)
            found = decide_partition(shared.setup, records, sent, deciders, visits=visits)
            yield _batch([(DECIDED, part, _parquet(rows.table_of(found.rows)))])
            if shared.setup.against is not None:
                yield _batch([(COMPARED, part, _parquet(comparing.table_of(found.changes)))])
            yield _batch([(MET, part, msgspec.json.encode(found.done))])

    return decide


def _parts(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[int, Records]]:
    """The records of each partition, which is complete when the next one begins."""
    part: int | None = None
    found: dict[str, list[bytes]] = {}
    for batch in batches:
        columns = (batch.column(name).to_pylist() for name in ("what", "part", "data"))
        for what, number, data in zip(*columns, strict=True):
            if part is not None and number != part:
                yield part, _records(found)
                found = {}
            part = number
            found.setdefault(what, []).append(data)
    if part is not None:
        yield part, _records(found)


def _records(found: dict[str, list[bytes]]) -> Records:
    return Records(*(found.get(name, ()) for name in (LINES, PEOPLE, MOMENTS, CLINICIANS, CODES)))


def _parquet(table: pa.Table) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    written = pa.BufferOutputStream()
    pq.write_table(table, written)
    return bytes(written.getvalue())
