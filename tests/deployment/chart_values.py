"""Values to render the chart with: both modes, with nothing and with everything."""

from collections.abc import Mapping
from typing import Any

SCALED: Mapping[str, Any] = {
    "mode": "scaled",
    "secrets": {
        "storeUrl": {"existingSecret": "mongo"},
        "brokerUrl": {"existingSecret": "rabbit", "key": "url"},
    },
    "networkPolicy": {
        "egress": {
            "store": [{"to": [{"podSelector": {"matchLabels": {"app": "mongodb"}}}], "ports": [{"port": 27017}]}],
            "broker": [{"to": [{"ipBlock": {"cidr": "10.0.0.7/32"}}], "ports": [{"protocol": "TCP", "port": 5671}]}],
        }
    },
}
FULL: Mapping[str, Any] = {
    "image": {"repository": "registry.example.org/protes", "digest": f"sha256:{'0' * 64}", "pullSecrets": ["pull"]},
    "config": {
        "currency": "USD",
        "server": {"max_body_bytes": 1000000, "allowed_hosts": ["tes.example.org"], "workers": 2},
        "relay": {"lost_after_seconds": 604800.0},
        "instances": [
            {
                "id": "site-a",
                "url": "https://tes.site-a.example.org",
                "prices": {"cpu_core_hour": "0.04"},
                "credentials": {"type": "bearer", "secret_file": "/etc/protes/secrets/site-a"},
            },
            {
                "id": "site-b",
                "url": "https://tes.site-b.example.org",
                "credentials": {"type": "bearer", "secret_env": "SITE_B_TOKEN"},
            },
        ],
        "registries": [{"url": "https://registry.example.org/ga4gh/registry/v1", "token_env": "REGISTRY_TOKEN"}],
        "profiles": {"nightly": {"weight": "cost"}},
        "chain": [{"use": "feasible"}, {"use": "cost_runtime", "options": {"floor_seconds": 0.001}}],
    },
    "secrets": {
        "operatorToken": {"existingSecret": "protes"},
        "secretKeys": {"existingSecret": "protes"},
        "env": [
            {"name": "SITE_B_TOKEN", "existingSecret": "sites", "key": "b"},
            {"name": "REGISTRY_TOKEN", "existingSecret": "sites", "key": "registry"},
        ],
        "files": [{"name": "site-a", "existingSecret": "sites", "key": "a"}],
    },
    "metrics": {
        "token": {"existingSecret": "protes", "key": "figures"},
        "ingressFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}, "interval": "1m"},
    },
    "serviceAccount": {"name": "gateway", "annotations": {"team": "genomics"}},
    "podLabels": {"team": "genomics"},
    "podAnnotations": {"note": "x"},
    "priorityClassName": "high",
    "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
    "ingress": {
        "enabled": True,
        "className": "nginx",
        "host": "gateway.example.org",
        "annotations": {"a": "b"},
        "tls": {"existingSecret": "certificate"},
    },
}
_AUTOSCALING = {"enabled": True, "minReplicas": 3, "maxReplicas": 9}


def merged(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Put values over values, as Helm does; lists as a whole."""
    found: dict[str, Any] = {}
    for part in parts:
        for name, value in part.items():
            both = isinstance(value, Mapping) and isinstance(found.get(name), Mapping)
            found[name] = merged(found[name], value) if both else value
    return found


MATRIX: Mapping[str, Mapping[str, Any]] = {
    "embedded": {},
    "embedded-full": FULL,
    "embedded-bare": {
        "runAs": {"user": None, "group": None},
        "networkPolicy": {"enabled": False},
        "serviceAccount": {"create": False},
        "topologyKeys": [],
        "api": {"resources": None},
        "persistence": {"storageClass": "fast", "accessModes": ["ReadWriteOncePod"]},
    },
    "embedded-open": {"config": {"metrics": {"public": True}}},
    "scaled": SCALED,
    "scaled-full": merged(
        SCALED,
        FULL,
        {
            "api": {"autoscaling": _AUTOSCALING},
            "worker": {"autoscaling": _AUTOSCALING, "podDisruptionBudget": {"maxUnavailable": "25%"}},
            "secrets": {"brokerCa": {"existingSecret": "rabbit-ca"}},
            "service": {"type": "LoadBalancer", "port": 8443},
        },
    ),
    "scaled-named": merged(SCALED, {"fullnameOverride": "t" * 50, "nameOverride": "gateway"}),
}
