"""
Shell 3: the Kubernetes operator for ContentDrop resources.

Started with `kopf run -m recommendation_operator --namespace NAMESPACE --standalone`; importing it registers handlers.
"""

from recommendation_operator import handlers as handlers
