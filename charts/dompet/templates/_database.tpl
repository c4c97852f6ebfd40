{{/* NetworkPolicy: the services that have a database, their migrations, and the audit. */}}
{{- define "dompet.databaseClients" -}}
{{- $clients := list "migrations" }}
{{- range $name, $service := .Values.global.services }}
{{- if $service.database }}{{ $clients = append $clients $name }}{{ end }}
{{- end }}
{{- if .Values.verify.enabled }}{{ $clients = append $clients "verify" }}{{ end }}
- ports: [{port: 5432}]
  from:
    {{- range $clients }}
    - podSelector:
        matchLabels: {{- include "dompet.selector" (dict "root" $ "name" .) | nindent 10 }}
    {{- end }}
{{- end -}}
