"""The command line. Errors are printed as one line, with exit code 2."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from cds_service.cli.errors import CommandError
from cds_service.cli.mcp import add_parser as add_mcp_parser
from cds_service.cli.rehearse import add_parser as add_rehearse_parser
from cds_service.knowledge.loader import KnowledgeError
from cds_service.sandbox.from_bundle import BundleError
from cds_service.settings import SettingsError
from cds_service.version import NAME, VERSION

UNUSABLE = 2
_MOST_DAYS = 36_500


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    chosen = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int | None] = chosen.run
    try:
        return run(chosen) or 0
    except (BundleError, CommandError, KnowledgeError, SettingsError) as error:
        print(error, file=sys.stderr)
        return UNUSABLE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cds_service", description=__doc__)
    parser.add_argument("--version", action="version", version=f"{NAME} {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="command")

    explain = commands.add_parser("explain", help="show the decision on a call, with its reasons")
    explain.add_argument(
        "file",
        metavar="FILE",
        help="a hook request, or a Bundle of one patient (JSON, also gzipped; - is standard input)",
    )
    explain.add_argument(
        "--as-of",
        type=_day,
        metavar="DATE",
        help="the day of the call, YYYY-MM-DD (default: today)",
    )
    explain.add_argument("--service", metavar="ID", help="the called service")
    explain.add_argument("--json", action="store_true", help="print the response of POST /explain")
    explain.set_defaults(run=_explain)

    evidence = commands.add_parser("evidence", help="write the evidence page for a committee")
    evidence.add_argument("--pdf", metavar="FILE", required=True, help="the file to write")
    evidence.set_defaults(run=_evidence)

    config = commands.add_parser("config", help="show the settings and their values")
    config.add_argument("--markdown", action="store_true", help="print docs/configuration.md")
    config.set_defaults(run=_config)

    _add_knowledge(commands)
    _add_site(commands)
    add_rehearse_parser(commands, _day)

    feedback = commands.add_parser("feedback", help="report on the feedback on cards")
    tasks = feedback.add_subparsers(required=True, metavar="task")
    report = tasks.add_parser("report", help="show how often cards were accepted, and why not")
    report.add_argument("--days", type=_days, default=90, help="how far to look back (default: 90)")
    form = report.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print all tables as one CSV file")
    form.add_argument("--json", action="store_true", help="print JSON")
    report.set_defaults(run=_feedback_report)
    comments = tasks.add_parser("comments", help="show the stored comments")
    comments.add_argument("--days", type=_days, default=90, help="how far to look back")
    comments.set_defaults(run=_feedback_comments)
    purge = tasks.add_parser("purge", help="delete data older than CDS_RETENTION_DAYS")
    purge.set_defaults(run=_feedback_purge)

    _add_database(commands)

    add_mcp_parser(commands)

    token = commands.add_parser("token", help="make a test client, and sign calls for it")
    tasks = token.add_subparsers(required=True, metavar="task")
    new = tasks.add_parser("new", help="make a key pair and a file of clients that trusts it")
    new.add_argument("folder", metavar="FOLDER", help="the folder for both files")
    new.add_argument("--iss", required=True, metavar="URL", help="the issuer that tokens name")
    new.add_argument(
        "--name", default="test-client", help="its name in logs (default: test-client)"
    )
    new.add_argument("--aud", default="", metavar="URL", help="its aud, if not the called URL")
    new.add_argument("--lifetime", type=int, default=300, help="longest allowed (default: 300)")
    new.set_defaults(run=_token_new)
    sign = tasks.add_parser("sign", help="print a token or a whole call that can be used once")
    sign.add_argument("folder", metavar="FOLDER", help="the folder of `token new`")
    sign.add_argument("--url", required=True, metavar="URL", help="the called URL")
    sign.add_argument("--body", default="", metavar="FILE", help="print a curl command with it")
    sign.add_argument("--aud", default="", metavar="URL", help="its aud (default: the called URL)")
    sign.add_argument("--tenant", default="", help="the tenant that the token names")
    sign.add_argument("--lifetime", type=int, default=300, help="seconds (default: 300)")
    sign.set_defaults(run=_token_sign)
    return parser


def _add_knowledge(commands: Any) -> None:
    knowledge = commands.add_parser("knowledge", help="show, review, compare and approve the rules")
    knowledge.set_defaults(run=_knowledge)
    tasks = knowledge.add_subparsers(metavar="task")
    review = tasks.add_parser("review", help="show what is not approved, by file")
    review.add_argument("--site", metavar="FILE", help="approvals (default: CDS_SITE_FILE)")
    review.set_defaults(run=_knowledge_review)
    diff = tasks.add_parser("diff", help="show the differences between two versions, in words")
    diff.add_argument("old", metavar="OLD", help="a folder, a wheel, or `installed`")
    diff.add_argument("new", metavar="NEW", help="a folder, a wheel, or `installed`")
    diff.add_argument("--json", action="store_true", help="print JSON")
    diff.set_defaults(run=_knowledge_diff)
    approve = tasks.add_parser("approve", help="print the entry of approvals to paste")
    approve.add_argument("--entry", metavar="NAME", help="one entry only, as in `review`")
    _add_who(approve)
    approve.set_defaults(run=_knowledge_approve)


def _add_who(approve: argparse.ArgumentParser) -> None:
    approve.add_argument("--name", required=True, help="who approves it")
    approve.add_argument("--role", required=True, help="in which role")
    approve.add_argument("--date", type=_day, metavar="DATE", help="when (default: today)")


def _add_site(commands: Any) -> None:
    site = commands.add_parser("site", help="check, show, compare and approve a site file")
    tasks = site.add_subparsers(required=True, metavar="task")
    check = tasks.add_parser("check", help="print one line for each fault, or the hash")
    check.add_argument("file", metavar="FILE", help="a site file (YAML)")
    check.set_defaults(run=_site_check)
    show = tasks.add_parser("show", help="show the values in force, each next to its default")
    show.add_argument("file", metavar="FILE", nargs="?", help="a site file (default: none)")
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(run=_site_show)
    diff = tasks.add_parser("diff", help="show the differences between two site files")
    diff.add_argument("old", metavar="OLD", help="a site file, or `defaults`")
    diff.add_argument("new", metavar="NEW", help="a site file, or `defaults`")
    diff.add_argument("--json", action="store_true", help="print JSON")
    diff.set_defaults(run=_site_diff)
    approve = tasks.add_parser("approve", help="print the entry of approvals to paste")
    approve.add_argument("file", metavar="FILE", help="a site file without faults")
    _add_who(approve)
    approve.set_defaults(run=_site_approve)


def _add_database(commands: Any) -> None:
    database = commands.add_parser("database", help="show, back up and restore the database")
    tasks = database.add_subparsers(required=True, metavar="task")
    show = tasks.add_parser("show", help="show its kind, migration step and number of rows")
    show.set_defaults(run=_database_show)
    backup = tasks.add_parser("backup", help="copy the SQLite file while the service runs")
    backup.add_argument("file", metavar="FILE", help="the new file")
    backup.set_defaults(run=_database_backup)
    restore = tasks.add_parser("restore", help="replace the SQLite file by a backup")
    restore.add_argument("file", metavar="FILE", help="the file of `database backup`")
    restore.set_defaults(run=_database_restore)


def _days(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= _MOST_DAYS:
        raise argparse.ArgumentTypeError(f"{text} is not a number of days")
    return int(text)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not a date like 2026-11-22") from None


# Each command imports its modules when it runs, so that `--help` is fast.


def _explain(chosen: argparse.Namespace) -> None:
    from cds_service.cli.explain import run

    run(chosen.file, chosen.as_of, chosen.service, as_json=chosen.json)


def _evidence(chosen: argparse.Namespace) -> None:
    from cds_service.cli.evidence import write_pdf

    write_pdf(chosen.pdf)


def _config(chosen: argparse.Namespace) -> None:
    from cds_service.cli.inventory import show_settings

    show_settings(as_markdown=chosen.markdown)


def _site_check(chosen: argparse.Namespace) -> int:
    from cds_service.cli.site import check

    return check(chosen.file)


def _site_show(chosen: argparse.Namespace) -> int:
    from cds_service.cli.site import show

    return show(chosen.file, as_json=chosen.json)


def _site_diff(chosen: argparse.Namespace) -> int:
    from cds_service.cli.site import diff

    return diff(chosen.old, chosen.new, as_json=chosen.json)


def _site_approve(chosen: argparse.Namespace) -> int:
    from cds_service.cli.site import approve

    return approve(chosen.file, chosen.name, chosen.role, chosen.date)


def _feedback_report(chosen: argparse.Namespace) -> None:
    from cds_service.cli.feedback import show_report

    show_report(chosen.days, "csv" if chosen.csv else "json" if chosen.json else "tables")


def _feedback_comments(chosen: argparse.Namespace) -> None:
    from cds_service.cli.feedback import show_comments

    show_comments(chosen.days)


def _feedback_purge(_: argparse.Namespace) -> None:
    from cds_service.cli.feedback import purge

    purge()


def _database_show(_: argparse.Namespace) -> None:
    from cds_service.cli.database import show

    show()


def _database_backup(chosen: argparse.Namespace) -> None:
    from cds_service.cli.database import make_backup

    make_backup(chosen.file)


def _database_restore(chosen: argparse.Namespace) -> None:
    from cds_service.cli.database import restore_backup

    restore_backup(chosen.file)


def _knowledge(_: argparse.Namespace) -> None:
    from cds_service.cli.inventory import show_knowledge

    show_knowledge()


def _knowledge_review(chosen: argparse.Namespace) -> int:
    from cds_service.cli.knowledge import review

    return review(chosen.site)


def _knowledge_diff(chosen: argparse.Namespace) -> int:
    from cds_service.cli.knowledge import diff

    return diff(chosen.old, chosen.new, as_json=chosen.json)


def _knowledge_approve(chosen: argparse.Namespace) -> int:
    from cds_service.cli.knowledge import approve

    return approve(chosen.name, chosen.role, chosen.date, chosen.entry)


def _token_new(chosen: argparse.Namespace) -> None:
    from cds_service.cli.token import new_client

    new_client(chosen.folder, chosen.iss, chosen.name, chosen.aud, chosen.lifetime)


def _token_sign(chosen: argparse.Namespace) -> None:
    from cds_service.cli.token import sign

    sign(chosen.folder, chosen.url, chosen.body, chosen.lifetime, chosen.tenant, chosen.aud)
