"""busy_action.py FOLDER SECONDS check|do: an action that takes its time, so that a show has
something to show: mail waits meanwhile."""

import json
import os
import sys
import time

folder, seconds, verb = sys.argv[1:]
done = os.path.join(folder, "busy-" + json.load(sys.stdin)["identifier"])
if verb == "check":
    sys.exit(0 if os.path.exists(done) else 1)
time.sleep(float(seconds))
with open(done, "w"):
    pass
