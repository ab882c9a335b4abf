{{/*
What every pod of ours shares: the restricted Pod Security profile, and no token, except for the two that talk to the
Kubernetes API. Call with (list $ "suffix of the ServiceAccount").
*/}}
{{- define "recommendation.podSpec" -}}
{{- $root := index . 0 -}}
serviceAccountName: {{ include "recommendation.name" . }}
automountServiceAccountToken: {{ has (index . 1) (list "operator" "secrets") }}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{ include "recommendation.placement" $root }}
{{- end -}}

{{- define "recommendation.placement" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.pods.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.pods.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.pods.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{- define "recommendation.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* The only writable place of a container; bounded so that a runaway file cannot fill the node. */}}
{{- define "recommendation.tmpVolume" -}}
name: tmp
emptyDir: {sizeLimit: 2Gi}
{{- end -}}

{{/*
Waits, bounded, until the schema is at or ahead of this release. The migrate Job does not wait for any pod, so this
cannot deadlock. Call with (list $ seconds).
*/}}
{{- define "recommendation.waitForSchema" -}}
{{- $root := index . 0 -}}
name: wait-for-schema
image: {{ include "recommendation.image" (list $root "service") }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
command: [python, -m, recommendation.migrate, --wait, {{ index . 1 | quote }}]
env:
  {{- include "recommendation.databaseEnv" $root | nindent 2 }}
securityContext: {{- include "recommendation.containerSecurity" $root | nindent 2 }}
resources:
  requests: {cpu: 50m, memory: 128Mi}
  limits: {cpu: 500m, memory: 256Mi}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
{{- end -}}

{{- define "recommendation.databaseEnv" -}}
- name: RECOMMENDATION_DATABASE_URL
  valueFrom:
    secretKeyRef: {name: {{ include "recommendation.databaseSecret" . }}, key: url}
{{- end -}}

{{/* Every container that ranks, trains or stores reads the same settings. */}}
{{- define "recommendation.settingsEnv" -}}
{{ include "recommendation.databaseEnv" . }}
{{- with .Values.events.existingSecret }}
- name: RECOMMENDATION_EVENTS_URL
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: url}
{{- end }}
{{- range $name, $value := .Values.settings }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end -}}

{{/* A quantity of memory in whole MiB, rounded down. Call with the quantity. */}}
{{- define "recommendation.mebibytes" -}}
{{- $bytes := dict "" 1 "m" 0.001 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "P" 1e15 "E" 1e18 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 "Ei" 1152921504606846976 -}}
{{- $quantity := kindIs "string" . | ternary . (printf "%f" (float64 .)) -}}
{{- $unit := regexFind "[A-Za-z]*$" $quantity -}}
{{- divf (mulf (float64 (trimSuffix $unit $quantity)) (float64 (get $bytes $unit))) 1048576.0 | floor | int64 -}}
{{- end -}}

{{/* More threads than CPUs make BLAS several times slower. Call with the container's name. */}}
{{- define "recommendation.blasEnv" -}}
{{- $container := . -}}
{{- range list "OMP_NUM_THREADS" "OPENBLAS_NUM_THREADS" }}
- name: {{ . }}
  valueFrom:
    resourceFieldRef: {containerName: {{ $container }}, resource: limits.cpu, divisor: "1"}
{{- end }}
{{- end -}}

{{/* Exit code 42 means that another try cannot help; an eviction is not the container's fault and is not counted. Call with (list action container). */}}
{{- define "recommendation.podFailurePolicy" -}}
rules:
  - action: Ignore
    onPodConditions:
      - {type: DisruptionTarget, status: "True"}
  - action: {{ index . 0 }}
    onExitCodes: {containerName: {{ index . 1 }}, operator: In, values: [42]}
{{- end -}}
