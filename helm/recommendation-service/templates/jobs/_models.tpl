{{/* Only training and the migrate Job mount the claim; a claim that one node at a time can mount is enough. */}}
{{- define "recommendation.modelsDirectory" -}}/var/lib/recommendation/models{{- end -}}

{{- define "recommendation.modelPath" -}}
{{- if .Values.persistence.enabled -}}{{ include "recommendation.modelsDirectory" . }}/cf.pkl{{- else -}}/tmp/models/cf.pkl{{- end -}}
{{- end -}}

{{- define "recommendation.modelsMount" -}}
{{- if .Values.persistence.enabled -}}
- {name: models, mountPath: {{ include "recommendation.modelsDirectory" . }}}
{{- end -}}
{{- end -}}

{{- define "recommendation.modelsVolume" -}}
{{- if .Values.persistence.enabled -}}
- name: models
  persistentVolumeClaim: {claimName: {{ include "recommendation.modelsClaim" . }}}
{{- end -}}
{{- end -}}
