{{/* What a pod beside the services takes from its own values: (dict "root" $ "of" .Values.migrations). */}}
{{- define "dompet.placement" -}}
{{- with .root.Values.global.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- range $name := list "serviceAccountName" "priorityClassName" "nodeSelector" "tolerations" "affinity" }}
{{- with index $.of $name }}
{{ dict $name . | toYaml }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Labels and annotations of such a pod: (dict "root" $ "name" "migrations" "of" .Values.migrations). */}}
{{- define "dompet.podMetadata" -}}
labels:
  {{- include "dompet.podLabels" . | nindent 2 }}
  {{- with .of.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .of.podAnnotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
