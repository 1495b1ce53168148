"""`python -m cds_service`: explain a decision, and show the configuration and the knowledge."""

import sys

from cds_service.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
