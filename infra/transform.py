"""Expand the SAM template to plain CloudFormation, as AWS does, without AWS.

Runs in the environment with aws-sam-cli: `.venv-sam/bin/python infra/transform.py > expanded.json`.
"""

import json
import sys
from pathlib import Path
from typing import Any

import boto3
from samtranslator.parser.parser import Parser  # type: ignore[import-not-found]  # comes with aws-sam-cli
from samtranslator.translator.translator import Translator  # type: ignore[import-not-found]  # as above
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-not-found]  # as above

TEMPLATE = Path(__file__).with_name("template.yaml")


def transform(template: dict[str, Any]) -> dict[str, Any]:
    """Return `template` with its SAM resources expanded and its parameters at their defaults.

    Raises:
        InvalidDocumentException: SAM refuses the template; the text names the resource.
    """
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # `sam package` puts the uploaded archive here; the translator refuses local paths.
            resource["Properties"]["CodeUri"] = "s3://bucket/code.zip"
    # The session only has to know its region. The empty map is for AWS managed policies, which are not used.
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name="us-east-1"))
    expanded: dict[str, Any] = translator.translate(template, {})
    return expanded


if __name__ == "__main__":
    json.dump(transform(yaml_parse(TEMPLATE.read_text())), sys.stdout, indent=1)
