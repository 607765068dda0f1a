"""The garbage collector of a web process: what was loaded is left alone, and an answer is not held up."""

import subprocess
import sys

ANSWER = """
import gc, os
os.environ["DJANGO_SETTINGS_MODULE"] = "server.settings.test"
import server.wsgi
before = gc.get_stats()[2]["collections"]
points = [[step, step / 7] for step in range(200_000)]
print(gc.get_freeze_count() > 10_000, gc.get_stats()[2]["collections"] - before, gc.isenabled())
"""


def test_a_web_process_goes_through_all_that_lives_neither_for_what_it_loaded_nor_for_one_answer() -> None:
    done = subprocess.run([sys.executable, "-c", ANSWER], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "0", "True"]
