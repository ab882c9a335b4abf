"""The ways in which people install the chart: every one is rendered, validated and checked."""

from rendering import Release, render

EXTERNAL = {
    "database": {"existingSecret": "production-database", "maxConnections": 400},
    "apiKeys": {"existingSecret": "production-keys"},
}

PRODUCTION = {
    **EXTERNAL,
    "image": {"registry": "registry.example.com/games", "pullSecrets": ["pull"]},
    "api": {"replicas": {"min": 3, "max": 12}},
    "networkPolicy": {
        "allowFrom": {"api": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "gateway"}}}]},
        "allowTo": {"database": {"peers": [{"ipBlock": {"cidr": "10.20.0.0/24"}}]}},
    },
    "httpRoute": {"enabled": True, "parentRefs": [{"name": "public", "namespace": "gateway"}]},
}

EVERYTHING = {
    "image": {
        "registry": "registry.example.com/games",
        "tag": "1.2.3",
        "digests": {"jobs": "sha256:" + "0" * 64},
        "pullPolicy": "Always",
        "pullSecrets": ["pull"],
    },
    "api": {"replicas": {"min": 2, "max": 6}, "console": True, "docs": True},
    "exposedPaths": ["/api/v1/recommendation", "/console"],
    "ingress": {
        "enabled": True,
        "className": "public",
        "hosts": ["games.example.com"],
        "tlsSecret": "games-tls",
        "annotations": {"example.com/timeout": "30"},
    },
    "httpRoute": {
        "enabled": True,
        "parentRefs": [{"name": "public"}],
        "hostnames": ["games.example.com"],
        "annotations": {"example.com/owner": "games"},
    },
    "admissionPolicy": {"enabled": True},
    "events": {"existingSecret": "broker"},
    "persistence": {"storageClassName": "fast", "volumeName": "models-1", "size": "20Gi"},
    "database": {"trial": {"storageClassName": "", "volumeName": "database-1"}},
    "monitoring": {"serviceMonitor": True, "rules": True, "dashboard": True, "labels": {"release": "prometheus"}},
    "pods": {
        "labels": {"team": "games"},
        "annotations": {"example.com/scrape": "no"},
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "tolerations": [{"key": "batch", "operator": "Exists"}],
        "priorityClassName": "high",
    },
    "settings": {"CF_N_COMPONENTS": "64", "INTERACTION_WEIGHTS": "reviewed:4"},
}

DISTRIBUTED = {
    "admissionPolicy": {"enabled": True},
    "training": {"distributed": {"enabled": True, "workers": 3}},
}

NOTHING = {
    **EXTERNAL,
    "api": {"replicas": {"min": 1, "max": 1}, "docs": False, "console": False},
    "training": {"suspend": True},
    "operator": {"enabled": False},
    "crd": {"enabled": False, "aggregateRoles": False},
    "persistence": {"enabled": False},
    "networkPolicy": {"enabled": False},
}

LONGEST_NAME = "a-release-with-the-longest-name-that-helm-still-takes"

VARIANTS: dict[str, dict[str, object]] = {
    "defaults": {},
    "production": PRODUCTION,
    "everything": EVERYTHING,
    "nothing": NOTHING,
    "distributed": DISTRIBUTED,
    "fixed-replicas": {"api": {"replicas": {"min": 4, "max": 4}}},
    "no-persistence": {"persistence": {"enabled": False}},
    "existing-claims": {
        "persistence": {"existingClaim": "models"},
        "database": {"trial": {"existingClaim": "database"}},
    },
    "existing-database": {"database": {"existingSecret": "production-database"}},
    "existing-keys": {"apiKeys": {"existingSecret": "production-keys"}},
    "monitored": {"monitoring": {"serviceMonitor": True, "rules": True, "dashboard": True}},
    "longest-name": {},
}


def variant(name: str) -> Release:
    return render(VARIANTS[name], LONGEST_NAME if name == "longest-name" else "recs")
