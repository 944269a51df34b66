"""Turns a SAM template, such as the one that `sam build` leaves, into CloudFormation.

    python translate.py TEMPLATE [NAME=VALUE ...]

The values are those of the template's parameters. The result is printed as JSON.
"""

import json
import os
import sys

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")  # the translator asks for one

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class NoManagedPolicies:
    """Every role of the template is written out."""

    def load(self):
        return {}


def upload(resource):
    """Puts an address in S3 in place of a folder, as `sam deploy` does."""
    properties = resource.get("Properties", {})
    if resource.get("Type") == "AWS::Serverless::Function" and "CodeUri" in properties:
        properties["CodeUri"] = "s3://code/" + properties["CodeUri"].strip("./").replace("/", "-")


def main(path, *values):
    with open(path, encoding="utf-8") as file:
        template = yaml_parse(file.read())
    for resource in template["Resources"].values():
        upload(resource)
    parameters = dict(value.split("=", 1) for value in values)
    json.dump(transform(template, parameters, NoManagedPolicies()), sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
