{{/* Values that contradict each other fail here with a sentence; the schema checks single values. */}}
{{- define "recommendation.checks" -}}
{{- include "recommendation.checkReplicas" . -}}
{{- include "recommendation.checkConnections" . -}}
{{- include "recommendation.checkClaims" . -}}
{{- include "recommendation.checkRoutes" . -}}
{{- if and .Values.training.distributed.existingSecret (not .Values.training.distributed.enabled) -}}
{{- fail "training.distributed.existingSecret has certificates for a training that is spread, but training.distributed.enabled is false: switch it on, or leave the Secret unset." -}}
{{- end -}}
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

{{/* One API pod runs one worker; a rollout adds one pod; a process that remakes lists reads and writes on a connection each; six connections are for training, migration and people. */}}
{{- define "recommendation.checkConnections" -}}
{{- $pods := add (int .Values.api.replicas.max) (int (include "recommendation.surge" .)) -}}
{{- $pool := int .Values.database.poolSize -}}
{{- $remaking := int (include "recommendation.remakingProcesses" .) -}}
{{- $named := ternary "regeneration.shardsAtOnce" (ternary "CPUs in training.distributed.resources.limits" "CPUs in training.resources.limits" .Values.training.distributed.enabled) .Values.operator.enabled -}}
{{- $limit := int .Values.database.maxConnections -}}
{{- $workers := ternary (int .Values.training.distributed.workers) 0 .Values.training.distributed.enabled -}}
{{- $spread := ternary (printf " + training.distributed.workers %d" $workers) "" .Values.training.distributed.enabled -}}
{{- $need := add (mul $pods $pool) (mul 2 $remaking) $workers 6 -}}
{{- if gt (int $need) $limit -}}
{{- fail (printf "The database would run out of connections: (api.replicas.max %d + surge %s) x 1 worker x database.poolSize %d + 2 x %s %d%s + 6 = %d, but database.maxConnections is %d. Lower one of them or raise the server's limit." (int .Values.api.replicas.max) (include "recommendation.surge" .) $pool $named $remaking $spread $need $limit) -}}
{{- end -}}
{{- end -}}

{{/* Processes that remake lists at a time: pods of shards, or, without an operator, as many in the training pod as it has CPUs, begun ones too. */}}
{{- define "recommendation.remakingProcesses" -}}
{{- if .Values.operator.enabled -}}
{{- int .Values.regeneration.shardsAtOnce -}}
{{- else -}}
{{- $cpu := toString (dig "limits" "cpu" "1" ((ternary .Values.training.distributed.resources .Values.training.resources .Values.training.distributed.enabled) | default dict)) -}}
{{- if hasSuffix "m" $cpu -}}
{{- div (add (atoi (trimSuffix "m" $cpu)) 999) 1000 -}}
{{- else -}}
{{- ceil (float64 $cpu) -}}
{{- end -}}
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
