{{/*
Names and labels. Helm's templates are shared by all charts of a release, so the dompet chart uses these too:
they take (dict "root" $ "name" "wallet").
*/}}

{{/* What everything of one component is called: <release>-<component>. */}}
{{- define "dompet.fullname" -}}
{{- printf "%s-%s" .root.Release.Name .name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The labels that select a component's pods. They never change. */}}
{{- define "dompet.selector" -}}
app.kubernetes.io/name: dompet
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end -}}

{{/* The labels of every object. */}}
{{- define "dompet.labels" -}}
{{ include "dompet.selector" . }}
app.kubernetes.io/part-of: dompet
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "dompet-%s" .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* The labels of a pod. None of them changes with a release of the chart, so that an upgrade without a difference restarts nothing. */}}
{{- define "dompet.podLabels" -}}
{{ include "dompet.selector" . }}
app.kubernetes.io/part-of: dompet
{{- end -}}

{{/* The image of this service. */}}
{{- define "dompet.image" -}}
{{- $image := .Values.global.image -}}
{{- $name := printf "%s%s" $image.prefix .Chart.Name -}}
{{- with $image.registry }}{{ $name = printf "%s/%s" . $name }}{{ end -}}
{{- if .Values.image.digest -}}
{{ $name }}@{{ .Values.image.digest }}
{{- else -}}
{{ $name }}:{{ .Values.image.tag | default $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* The pod's security context that the restricted Pod Security Standard asks for; the images' user is 65532. */}}
{{- define "dompet.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: {{ .uid | default 65532 }}
runAsGroup: {{ .uid | default 65532 }}
{{- if .fsGroup }}
fsGroup: {{ .uid }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "dompet.securityContext" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
readOnlyRootFilesystem: true
{{- end -}}

{{/* The Secret with the service's own secrets. */}}
{{- define "dompet.secretName" -}}
{{- if .Values.secret.existingSecret -}}
{{ .Values.secret.existingSecret }}
{{- else if .Values.secret.values -}}
{{ include "dompet.fullname" (dict "root" . "name" .Chart.Name) }}
{{- else -}}
{{- $needed := list -}}
{{- range $name, $key := .Values.secret.keys }}{{ if not $key.optional }}{{ $needed = append $needed $name }}{{ end }}{{ end -}}
{{- fail (printf "%s.secret.existingSecret is empty. Make a Secret with %s and name it there, or use values-dev.yaml for development." .Chart.Name (join ", " $needed)) -}}
{{- end -}}
{{- end -}}

{{/* The Secret with the key that services share. */}}
{{- define "dompet.serviceKeySecret" -}}
{{- $key := .Values.global.serviceKey -}}
{{- if $key.existingSecret -}}
{{ $key.existingSecret }}
{{- else if $key.value -}}
{{ include "dompet.fullname" (dict "root" . "name" "service-key") }}
{{- else -}}
{{- fail "global.serviceKey.existingSecret is empty. Make a Secret with SERVICE_KEY, at least 32 random characters, and name it there, or use values-dev.yaml for development." -}}
{{- end -}}
{{- end -}}

{{/*
The address of the service's database, as environment variables. In the two databases that the chart makes, database and
role are called dompet_<service>; Kubernetes puts the password into the URL, so that it is in one Secret only.
*/}}
{{- define "dompet.databaseEnv" -}}
{{- $global := .Values.global -}}
{{- $name := printf "dompet_%s" .Chart.Name -}}
{{- if $global.postgresql.enabled }}
- name: DATABASE_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ include "dompet.fullname" (dict "root" . "name" "postgresql") }}, key: {{ upper .Chart.Name }}_DB_PASSWORD}}
- name: DATABASE_URL
  value: postgres://{{ $name }}:$(DATABASE_PASSWORD)@{{ include "dompet.fullname" (dict "root" . "name" "postgresql") }}:5432/{{ $name }}
{{- else if not .Values.database.existingSecret }}
{{- fail (printf "%s.database.existingSecret is empty. Make a Secret with the service's DATABASE_URL and name it there, or use values-dev.yaml for development." .Chart.Name) }}
{{- else if $global.cloudnativepg.enabled }}
- name: DATABASE_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ .Values.database.existingSecret }}, key: password}}
- name: DATABASE_URL
  value: postgres://{{ $name }}:$(DATABASE_PASSWORD)@{{ include "dompet.fullname" (dict "root" . "name" "db") }}-{{ ternary "pooler" "rw" $global.cloudnativepg.pooler.enabled }}:5432/{{ $name }}?sslmode=require
{{- else }}
- name: DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ .Values.database.existingSecret }}, key: {{ .Values.database.key }}}}
{{- end }}
# A schema named as in the local mode, so that `dompet verify` can audit this database too.
- name: DATABASE_SCHEMA
  value: {{ .Chart.Name }}
- name: DATABASE_CONNECTIONS
  value: {{ .Values.database.connections | quote }}
{{- end -}}

{{/* Whether the database is part of the release; then nothing can be migrated before the release is there. */}}
{{- define "dompet.ownDatabase" -}}
{{- if or .Values.global.postgresql.enabled .Values.global.cloudnativepg.enabled }}true{{ end -}}
{{- end -}}

{{/* The endpoint of traces. */}}
{{- define "dompet.otlpEndpoint" -}}
{{- if .Values.global.otlp.endpoint -}}
{{ .Values.global.otlp.endpoint }}
{{- else if .Values.global.otelLgtm.enabled -}}
http://{{ include "dompet.fullname" (dict "root" . "name" "otel-lgtm") }}:4318
{{- end -}}
{{- end -}}

{{/* NetworkPolicy: look names up. */}}
{{- define "dompet.dnsEgress" -}}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
  {{- with .Values.global.networkPolicy.dns }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* NetworkPolicy: reach the database. */}}
{{- define "dompet.databaseEgress" -}}
{{- $global := .Values.global -}}
{{- if $global.postgresql.enabled }}
- ports: [{port: 5432}]
  to:
    - podSelector:
        matchLabels: {{- include "dompet.selector" (dict "root" . "name" "postgresql") | nindent 10 }}
{{- else if $global.cloudnativepg.enabled }}
- ports: [{port: 5432}]
  to:
    - podSelector:
        matchLabels:
          {{- if $global.cloudnativepg.pooler.enabled }}
          cnpg.io/poolerName: {{ include "dompet.fullname" (dict "root" . "name" "db") }}-pooler
          {{- else }}
          cnpg.io/cluster: {{ include "dompet.fullname" (dict "root" . "name" "db") }}
          {{- end }}
{{- else }}
- ports: [{port: {{ $global.networkPolicy.databasePort }}}]
  {{- with $global.networkPolicy.database }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end -}}
