"""Shell 3: the Kubernetes operator for ContentDrop resources."""
