{{/* Values that contradict each other fail here with a sentence; the schema checks single values. */}}
{{- define "recommendation.checks" -}}
{{- include "recommendation.checkReplicas" . -}}
{{- include "recommendation.checkConnections" . -}}
{{- include "recommendation.checkClaims" . -}}
{{- include "recommendation.checkRoutes" . -}}
{{- if and .Values.admissionPolicy.enabled (not .Values.operator.enabled) -}}
{{- fail "admissionPolicy.enabled limits the operator, but operator.enabled is false: switch one of them." -}}
{{- end -}}
{{- range $label, $_ := .Values.pods.labels -}}
{{- if hasPrefix "app.kubernetes.io/" $label -}}
{{- fail (printf "pods.labels may not set %s: the chart selects its pods by it." $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "recommendation.checkReplicas" -}}
{{- with .Values.api.replicas -}}
{{- if gt (int .min) (int .max) -}}
{{- fail (printf "api.replicas.min (%d) is more than api.replicas.max (%d)." (int .min) (int .max)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* One API pod runs one worker; a rollout adds one pod; six connections are for training, migration and people. */}}
{{- define "recommendation.checkConnections" -}}
{{- $pods := add (int .Values.api.replicas.max) (int (include "recommendation.surge" .)) -}}
{{- $pool := int .Values.database.poolSize -}}
{{- $shards := int .Values.regeneration.shardsAtOnce -}}
{{- $limit := int .Values.database.maxConnections -}}
{{- $need := add (mul $pods $pool) $shards 6 -}}
{{- if gt (int $need) $limit -}}
{{- fail (printf "The database would run out of connections: (api.replicas.max %d + surge %s) x 1 worker x database.poolSize %d + regeneration.shardsAtOnce %d + 6 = %d, but database.maxConnections is %d. Lower one of them or raise the server's limit." (int .Values.api.replicas.max) (include "recommendation.surge" .) $pool $shards $need $limit) -}}
{{- end -}}
{{- end -}}

{{- define "recommendation.surge" -}}1{{- end -}}

{{- define "recommendation.checkClaims" -}}
{{- $trial := .Values.database.trial -}}
{{- range $where, $claim := dict "persistence" .Values.persistence "database.trial" $trial -}}
{{- $asked := or $claim.volumeName (kindIs "string" $claim.storageClassName) -}}
{{- if and $claim.existingClaim $asked -}}
{{- fail (printf "%s.existingClaim is used as it is: leave %s.storageClassName and %s.volumeName unset." $where $where $where) -}}
{{- end -}}
{{- if and (not $.Values.persistence.enabled) (or $claim.existingClaim $asked) -}}
{{- fail (printf "persistence.enabled is false, so no claim is used: leave %s.existingClaim, %s.storageClassName and %s.volumeName unset." $where $where $where) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.database.existingSecret (or $trial.existingClaim $trial.volumeName (kindIs "string" $trial.storageClassName)) -}}
{{- fail "database.existingSecret names an existing database, so there is no trial database: leave the claim of database.trial unset." -}}
{{- end -}}
{{- end -}}

{{- define "recommendation.checkRoutes" -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- fail "ingress.enabled needs at least one name in ingress.hosts." -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.enabled needs at least one Gateway in httpRoute.parentRefs." -}}
{{- end -}}
{{- if and (has "/console" .Values.exposedPaths) (not .Values.api.console) -}}
{{- fail "exposedPaths lets /console out, but api.console is false, so nothing answers there." -}}
{{- end -}}
{{- if and (has "/docs" .Values.exposedPaths) (not .Values.api.docs) -}}
{{- fail "exposedPaths lets /docs out, but api.docs is false, so nothing answers there." -}}
{{- end -}}
{{- end -}}
