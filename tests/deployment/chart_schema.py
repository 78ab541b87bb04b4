"""The schema of the chart's values: closed, and with the gateway's settings as the code has them.

`python -m tests.deployment.chart_schema > deployment/helm/protes/values.schema.json` writes it anew.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from protes.config.settings import Settings

CHART = Path(__file__).parents[2] / "deployment" / "helm" / "protes"
FILE = CHART / "values.schema.json"
Schema = dict[str, Any]

DECIDED = {
    "Settings": ("store",),
    "ServerSettings": ("host", "port", "secret_key", "secret_key_file"),
    "MetricsSettings": ("token_file", "worker_host", "worker_port"),
    "RunnerSettings": ("kind", "execute", "broker_url_file", "broker_ca_file"),
}
"""Settings that the chart decides, by model: they are not to be given as values; nor is what is secret, anywhere."""
_NAMING = ("properties", "patternProperties", "$defs")
_DROPPED = ("title", "description", "default", "examples", "discriminator")

_NAME = "^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"
_KEY = "^[-._a-zA-Z0-9]{1,253}$"
_VARIABLE = "^[A-Za-z_][A-Za-z0-9_]{0,127}$"
_DURATION = "^[1-9][0-9]{0,4}(ms|s|m|h)$"
_QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"


def render() -> str:
    """Write the schema."""
    return json.dumps(schema(), indent=2) + "\n"


def schema() -> Schema:
    """Make the schema."""
    config = settings_schema()
    definitions = config.pop("$defs")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Values of the chart protes",
        **_closed({**_general(), **_pods(), **_network(), "metrics": _metrics(), "config": config}),
        "$defs": {**definitions, **_references(), **_of_kubernetes()},
    }


def settings_schema() -> Schema:
    """Make the schema of `config` from the gateway's own models, without what is not to be given."""
    found = Settings.model_json_schema()
    for model, names in DECIDED.items():
        properties = (found if model == "Settings" else found["$defs"][model])["properties"]
        for name in names:
            del properties[name]
    for model in (found, *found["$defs"].values()):
        for name in [name for name, each in model.get("properties", {}).items() if is_secret(each)]:
            del model["properties"][name]
    tidied = _tidied(found, naming=False)
    assert isinstance(tidied, dict)
    return tidied


def is_secret(value: Any) -> bool:
    """Tell whether a value of this schema would be a secret, as pydantic writes its `SecretStr`."""
    if isinstance(value, dict):
        return value.get("format") == "password" or any(map(is_secret, value.values()))
    return isinstance(value, list) and any(map(is_secret, value))


def _tidied(value: Any, *, naming: bool) -> Any:
    """Leave out words for people, and patterns that Helm's library cannot read (RE2 has no look-ahead).

    Args:
        value: a part of a schema.
        naming: whether its keys are names of properties or definitions, and no keywords.
    """
    if isinstance(value, list):
        return [_tidied(each, naming=False) for each in value]
    if not isinstance(value, dict):
        return value
    found = {
        key: _tidied(each, naming=not naming and key in _NAMING)
        for key, each in value.items()
        if naming or not (key in _DROPPED or (key == "pattern" and "(?" in each))
    }
    if not naming and "patternProperties" in found:
        found.setdefault("additionalProperties", False)
    return found


def _general() -> Schema:
    return {
        "nameOverride": {"type": "string", "maxLength": 50},
        "fullnameOverride": {"type": "string", "maxLength": 50},
        "mode": {"enum": ["embedded", "scaled"]},
        "image": _closed(
            {
                "repository": {"type": "string", "minLength": 1},
                "tag": {"type": "string"},
                "digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
                "pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
                "pullSecrets": {"type": "array", "items": {"type": "string", "pattern": _NAME}},
            }
        ),
        "secrets": _closed(
            {
                **{
                    name: {"$ref": "#/$defs/reference"}
                    for name in ("operatorToken", "secretKeys", "storeUrl", "brokerUrl", "brokerCa")
                },
                "env": {"type": "array", "items": _named_reference(_VARIABLE)},
                "files": {"type": "array", "items": _named_reference(_KEY)},
            }
        ),
        "persistence": _closed(
            {
                "size": {"type": "string", "pattern": _QUANTITY},
                "storageClass": {"type": "string"},
                "accessModes": {
                    "type": "array",
                    "minItems": 1,
                    "items": {"enum": ["ReadWriteOnce", "ReadWriteOncePod"]},
                },
            }
        ),
    }


def _pods() -> Schema:
    component = {
        "replicas": {"type": "integer", "minimum": 1},
        "resources": {"$ref": "#/$defs/resources"},
        "autoscaling": _closed(
            {
                "enabled": {"type": "boolean"},
                "minReplicas": {"type": "integer", "minimum": 1},
                "maxReplicas": {"type": "integer", "minimum": 1},
                "targetCPUUtilizationPercentage": {"type": "integer", "minimum": 1, "maximum": 1000},
            }
        ),
        "podDisruptionBudget": _closed(
            {
                "enabled": {"type": "boolean"},
                "maxUnavailable": {
                    "oneOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]{1,3}%$"}]
                },
            }
        ),
        "terminationGracePeriodSeconds": {"type": "integer", "minimum": 1},
    }
    identity = {"oneOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}
    return {
        "api": _closed({**component, "drainSeconds": {"type": "integer", "minimum": 0, "maximum": 600}}),
        "worker": _closed(component),
        "serviceAccount": _closed({"create": {"type": "boolean"}, "name": {"type": "string"}, "annotations": _texts()}),
        "runAs": _closed({"user": identity, "group": identity}),
        "podLabels": _texts(),
        "podAnnotations": _texts(),
        "priorityClassName": {"type": "string"},
        "nodeSelector": _texts(),
        "tolerations": {"type": "array", "items": {"$ref": "#/$defs/toleration"}},
        "topologyKeys": {"type": "array", "items": {"type": "string", "minLength": 1}},
    }


def _network() -> Schema:
    rules = {"type": "array", "items": {"$ref": "#/$defs/egressRule"}}
    peers = {"type": "array", "items": {"$ref": "#/$defs/peer"}}
    return {
        "clusterDomain": {"type": "string", "minLength": 1},
        "service": _closed(
            {
                "type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
                "port": {"$ref": "#/$defs/port"},
                "annotations": _texts(),
            }
        ),
        "ingress": _closed(
            {
                "enabled": {"type": "boolean"},
                "className": {"type": "string"},
                "annotations": _texts(),
                "host": {"type": "string", "pattern": "^([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?)?$"},
                "tls": _closed({"existingSecret": {"type": "string"}}),
            }
        ),
        "networkPolicy": _closed(
            {
                "enabled": {"type": "boolean"},
                "ingressFrom": peers,
                "egress": _closed({"instances": rules, "store": rules, "broker": rules}),
                "dns": {"$ref": "#/$defs/peer"},
            }
        ),
    }


def _metrics() -> Schema:
    monitor = {
        "enabled": {"type": "boolean"},
        "labels": _texts(),
        **{name: {"type": "string", "pattern": _DURATION} for name in ("interval", "scrapeTimeout")},
    }
    return _closed(
        {
            "token": {"$ref": "#/$defs/reference"},
            "workerPort": {"$ref": "#/$defs/port"},
            "ingressFrom": {"type": "array", "items": {"$ref": "#/$defs/peer"}},
            "serviceMonitor": _closed(monitor),
        }
    )


def _references() -> Schema:
    return {
        "reference": _closed(
            {
                "existingSecret": {"type": "string", "pattern": f"^$|{_NAME}"},
                "key": {"type": "string", "pattern": _KEY},
            }
        )
    }


def _of_kubernetes() -> Schema:
    quantities = {
        "type": "object",
        "additionalProperties": {"oneOf": [{"type": "string", "pattern": _QUANTITY}, {"type": "number", "minimum": 0}]},
    }
    expression = _closed(
        {
            "key": {"type": "string"},
            "operator": {"enum": ["In", "NotIn", "Exists", "DoesNotExist"]},
            "values": {"type": "array", "items": {"type": "string"}},
        },
        required=["key", "operator"],
    )
    selector = {"$ref": "#/$defs/labelSelector"}
    number = {"type": "integer", "minimum": 1, "maximum": 65535}
    block = _closed(
        {"cidr": {"type": "string"}, "except": {"type": "array", "items": {"type": "string"}}}, required=["cidr"]
    )
    port = {"protocol": {"enum": ["TCP", "UDP", "SCTP"]}, "port": {"$ref": "#/$defs/port"}, "endPort": number}
    toleration = {
        "key": {"type": "string"},
        "operator": {"enum": ["Exists", "Equal"]},
        "value": {"type": "string"},
        "effect": {"enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"]},
        "tolerationSeconds": {"type": "integer"},
    }
    return {
        "resources": _closed({"requests": quantities, "limits": quantities}),
        "port": number,
        "toleration": _closed(toleration),
        "labelSelector": _closed({"matchLabels": _texts(), "matchExpressions": {"type": "array", "items": expression}}),
        "peer": _closed({"podSelector": selector, "namespaceSelector": selector, "ipBlock": block}),
        "egressRule": _closed(
            {
                "to": {"type": "array", "items": {"$ref": "#/$defs/peer"}},
                "ports": {"type": "array", "items": _closed(port)},
            }
        ),
    }


def _named_reference(pattern: str) -> Schema:
    return _closed(
        {
            "name": {"type": "string", "pattern": pattern},
            "existingSecret": {"type": "string", "pattern": _NAME},
            "key": {"type": "string", "pattern": _KEY},
        },
        required=["name", "existingSecret", "key"],
    )


def _texts() -> Schema:
    return {"type": "object", "additionalProperties": {"type": "string"}}


def _closed(properties: Mapping[str, Any], required: list[str] | None = None) -> Schema:
    found: Schema = {"type": "object", "additionalProperties": False, "properties": dict(properties)}
    return {**found, "required": required} if required else found


if __name__ == "__main__":
    sys.stdout.write(render())
