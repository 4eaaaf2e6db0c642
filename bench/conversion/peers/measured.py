"""python measured.py COMMAND...: runs a command and writes what it and all below it used, as JSON on the last line."""

import json
import resource
import subprocess
import sys
import time

started = time.monotonic()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
wall = time.monotonic() - started
used = resource.getrusage(resource.RUSAGE_CHILDREN)
# Linux counts kilobytes.
print(json.dumps({"code": code, "wallSeconds": wall, "cpuSeconds": used.ru_utime + used.ru_stime, "peakBytes": used.ru_maxrss * 1024}))
