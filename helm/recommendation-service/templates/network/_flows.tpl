{{- define "recommendation.toDns" -}}
- to: {{- toYaml .Values.networkPolicy.allowTo.dns | nindent 4 }}
  ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end -}}

{{/* Call with {peers, ports}. Without peers: any address, on these ports only. */}}
{{- define "recommendation.toPeers" -}}
- ports:
    {{- range .ports }}
    - {port: {{ int . }}, protocol: TCP}
    {{- end }}
  {{- with .peers }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Call with (list $ "component" port). */}}
{{- define "recommendation.toComponent" -}}
- to:
    - podSelector:
        matchLabels: {{- include "recommendation.selectorLabels" . | nindent 10 }}
  ports:
    - {port: {{ index . 2 }}, protocol: TCP}
{{- end -}}

{{- define "recommendation.toDatabase" -}}
{{- if .Values.database.existingSecret -}}
{{ include "recommendation.toPeers" .Values.networkPolicy.allowTo.database }}
{{- else -}}
{{ include "recommendation.toComponent" (list . "database" 5432) }}
{{- end -}}
{{- end -}}

{{- define "recommendation.toEvents" -}}
{{- if .Values.events.existingSecret -}}
{{ include "recommendation.toPeers" .Values.networkPolicy.allowTo.events }}
{{- end -}}
{{- end -}}
