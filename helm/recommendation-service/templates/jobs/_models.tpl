{{/* Only training and the migrate Job mount the claim; a claim that one node at a time can mount is enough. */}}
{{- define "recommendation.modelsDirectory" -}}/var/lib/recommendation/models{{- end -}}

{{- define "recommendation.modelPath" -}}
{{- if .Values.persistence.enabled -}}{{ include "recommendation.modelsDirectory" . }}/cf.pkl{{- else -}}/tmp/models/cf.pkl{{- end -}}
{{- end -}}

{{/* A claim that one node mounts would keep the pods of a training that is spread on that node; the database has the model. */}}
{{- define "recommendation.trainingModelPath" -}}
{{- if .Values.training.distributed.enabled -}}/tmp/models/cf.pkl{{- else -}}{{ include "recommendation.modelPath" . }}{{- end -}}
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
