"""`python -m audiocodec` is `codec`."""

import sys

from audiocodec.cli.main import main

sys.exit(main())
