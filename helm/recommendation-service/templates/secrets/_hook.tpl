{{/* Call with the weight. A failed pod stays until the next try, for its log. */}}
{{- define "recommendation.secretsHook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
