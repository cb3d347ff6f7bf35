"""What a site loads when it starts: nothing of AWS, which takes longer than all else of the app."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SETTINGS = """
from tests.django_settings import *
from whyness_mixpanel import bots
WHYNESS_MIXPANEL = {
    "QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/events",
    "BOT_USERAGENTS": (*bots.DEFAULT, "our-monitor"),
}
"""
SCRIPT = """
import sys
import django
from django.core.management import call_command
django.setup()
call_command("check", "--fail-level=WARNING")
from django.urls import reverse
reverse("admin:whyness_mixpanel_deliveryfailure_changelist")
names = {"boto3", "botocore", "whyness_ops"}
print(sorted(name for name in sys.modules if name.split(".")[0] in names))
"""


def test_a_site_with_the_admin_loads_nothing_of_aws(tmp_path: Path) -> None:
    """Not with its apps, its URLs or its system checks; and its settings may take the list of programs."""
    (tmp_path / "site_settings.py").write_text(SETTINGS)
    paths = os.pathsep.join([str(tmp_path), str(ROOT), str(ROOT / "functions/send_events")])
    environment = {"PYTHONPATH": paths, "DJANGO_SETTINGS_MODULE": "site_settings", "HOME": str(tmp_path)}

    done = subprocess.run(  # noqa: S603  (the test's own script)
        [sys.executable, "-c", SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
