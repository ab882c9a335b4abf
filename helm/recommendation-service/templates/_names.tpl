{{/*
Names. A release name is unique in its namespace, so it alone is the prefix. It is cut to 40 characters, since a CronJob
takes 52 and a label 63; a hash keeps two cut names apart. Service names start with a letter and hold no dot.
*/}}
{{- define "recommendation.fullname" -}}
{{- $name := .Release.Name | replace "." "-" -}}
{{- if regexMatch "^[0-9]" $name -}}{{- $name = printf "r%s" $name -}}{{- end -}}
{{- if or (ne $name .Release.Name) (gt (len $name) 40) -}}
{{- printf "%s-%s" (trunc 33 $name | trimSuffix "-") (sha256sum .Release.Name | trunc 6) -}}
{{- else -}}
{{- $name -}}
{{- end -}}
{{- end -}}

{{/* Call with (list $ "component"). */}}
{{- define "recommendation.name" -}}
{{- printf "%s-%s" (include "recommendation.fullname" (index . 0)) (index . 1) -}}
{{- end -}}

{{/* Cluster-wide objects carry the namespace too. A name that is too long keeps its hash. */}}
{{- define "recommendation.clusterName" -}}
{{- $root := index . 0 -}}
{{- printf "%s-%s-%s" $root.Release.Namespace (include "recommendation.fullname" $root) (index . 1) -}}
{{- end -}}

{{/* Never changed between versions: selectors are immutable. Call with (list $ "component"). */}}
{{- define "recommendation.selectorLabels" -}}
app.kubernetes.io/name: recommendation-service
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Labels of objects. Pod templates omit the versions, so that a chart release alone restarts nothing. */}}
{{- define "recommendation.labels" -}}
{{- $root := index . 0 -}}
{{ include "recommendation.selectorLabels" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name ($root.Chart.Version | replace "+" "_") }}
{{- end -}}

{{- define "recommendation.podLabels" -}}
{{ include "recommendation.selectorLabels" . }}
{{- with (index . 0).Values.pods.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Call with (list $ "service"|"jobs"|"operator"). */}}
{{- define "recommendation.image" -}}
{{- $image := (index . 0).Values.image -}}
{{- $name := printf "recommendation-%s" (index . 1) -}}
{{- if $image.registry -}}{{- $name = printf "%s/%s" (trimSuffix "/" $image.registry) $name -}}{{- end -}}
{{- $digest := index $image.digests (index . 1) -}}
{{- if $digest -}}{{- printf "%s@%s" $name $digest -}}
{{- else -}}{{- printf "%s:%s" $name ($image.tag | default (index . 0).Chart.AppVersion) -}}{{- end -}}
{{- end -}}

{{- define "recommendation.databaseSecret" -}}
{{- .Values.database.existingSecret | default (include "recommendation.name" (list . "database")) -}}
{{- end -}}

{{- define "recommendation.keysSecret" -}}
{{- .Values.apiKeys.existingSecret | default (include "recommendation.name" (list . "api-keys")) -}}
{{- end -}}

{{- define "recommendation.trainingSecret" -}}
{{- .Values.training.distributed.existingSecret | default (include "recommendation.name" (list . "training-tls")) -}}
{{- end -}}

{{- define "recommendation.modelsClaim" -}}
{{- .Values.persistence.existingClaim | default (include "recommendation.name" (list . "models")) -}}
{{- end -}}
