{{/* A claim that outlives its release. Call with (list $ "component" values). */}}
{{- define "recommendation.claim" -}}
{{- $claim := index . 2 -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ include "recommendation.name" . }}
  labels: {{- include "recommendation.labels" . | nindent 4 }}
  annotations:
    helm.sh/resource-policy: keep
spec:
  accessModes: [ReadWriteOnce]
  {{- if kindIs "string" $claim.storageClassName }}
  storageClassName: {{ $claim.storageClassName | quote }}
  {{- end }}
  {{- with $claim.volumeName }}
  volumeName: {{ . }}
  {{- end }}
  resources:
    requests: {storage: {{ $claim.size }}}
{{- end -}}
