"""`python -m cds_service`: explain a decision, and show the configuration and the knowledge."""

import sys


def run() -> int:
    """Run the command, or say in one line what is missing if this Python lacks a package."""
    try:
        from cds_service.cli.main import main
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("cds_service"):
            raise
        print(
            f"{error.name} is not installed for {sys.executable}. Run `make install` in the checkout,"
            " and then `.venv/bin/python -m cds_service`.",
            file=sys.stderr,
        )
        return 2
    return main()


if __name__ == "__main__":
    sys.exit(run())
