{{/* NetworkPolicy: the services that have a database, and their migrations. */}}
{{- define "dompet.databaseClients" -}}
- ports: [{port: 5432}]
  from:
    {{- range $name, $service := .Values.global.services }}
    {{- if $service.database }}
    {{- range list $name (printf "%s-migrations" $name) }}
    - podSelector:
        matchLabels: {{- include "dompet.selector" (dict "root" $ "name" .) | nindent 10 }}
    {{- end }}
    {{- end }}
    {{- end }}
{{- end -}}
