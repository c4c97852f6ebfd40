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
{{- $name = .Values.image.repository | default $name -}}
{{- if .Values.image.digest -}}
{{ $name }}@{{ .Values.image.digest }}
{{- else -}}
{{ $name }}:{{ .Values.image.tag | default $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* The pod's security context: the values', or that of a foreign image with its own user. An empty field is left
out: null would not do, because Helm gives subcharts the defaults of globals again. */}}
{{- define "dompet.podSecurityContext" -}}
{{- $context := dict -}}
{{- range $name, $value := .root.Values.global.podSecurityContext }}
{{- if not (or (kindIs "invalid" $value) (eq (toString $value) "")) }}{{ $_ := set $context $name $value }}{{ end }}
{{- end -}}
{{- if .uid }}{{ $context = merge (dict "runAsUser" .uid "runAsGroup" .uid) $context }}{{ end -}}
{{- if .fsGroup }}{{ $context = merge (dict "fsGroup" .uid "fsGroupChangePolicy" "OnRootMismatch") $context }}{{ end -}}
{{ toYaml $context }}
{{- end -}}

{{- define "dompet.securityContext" -}}
{{- $context := dict -}}
{{- range $name, $value := .root.Values.global.securityContext }}
{{- if not (or (kindIs "invalid" $value) (eq (toString $value) "")) }}{{ $_ := set $context $name $value }}{{ end }}
{{- end -}}
{{ toYaml $context }}
{{- end -}}

{{/* Names of Secrets that the chart makes in development, or made: a release that takes over a name deletes what it had made. */}}
{{- define "dompet.refuseOwnSecret" -}}
{{- $own := list -}}
{{- range list "user" "service-key" "postgresql" }}{{ $own = append $own (include "dompet.fullname" (dict "root" $.root "name" .)) }}{{ end -}}
{{- if has .secret $own -}}
{{- fail (printf "%s is %s, which is the name of a Secret that this chart makes in development. An upgrade from there would delete yours. Name it otherwise." .field .secret) -}}
{{- end -}}
{{- end -}}

{{/* The Secret with the service's own secrets. */}}
{{- define "dompet.secretName" -}}
{{- if .Values.secret.existingSecret -}}
{{- include "dompet.refuseOwnSecret" (dict "root" . "field" (printf "%s.secret.existingSecret" .Chart.Name) "secret" .Values.secret.existingSecret) -}}
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
{{- include "dompet.refuseOwnSecret" (dict "root" . "field" "global.serviceKey.existingSecret" "secret" $key.existingSecret) -}}
{{ $key.existingSecret }}
{{- else if $key.value -}}
{{ include "dompet.fullname" (dict "root" . "name" "service-key") }}
{{- else -}}
{{- fail "global.serviceKey.existingSecret is empty. Make a Secret with SERVICE_KEY, at least 32 random characters, and name it there, or use values-dev.yaml for development." -}}
{{- end -}}
{{- end -}}

{{/*
The address of the service's database, as an environment variable. In the two databases that the chart makes, database and
role are called dompet_<service>; Kubernetes puts the password into the URL, so that it is in one Secret only. With `prefix` (`WALLET_`)
the variables begin with it, for a program that looks into several databases.
*/}}
{{- define "dompet.databaseUrlEnv" -}}
{{- $root := .root -}}
{{- $prefix := .prefix | default "" -}}
{{- $global := $root.Values.global -}}
{{- $name := printf "dompet_%s" $root.Chart.Name -}}
{{- $secret := $root.Values.database.existingSecret -}}
{{- if $global.postgresql.enabled }}
- name: {{ $prefix }}DATABASE_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ include "dompet.fullname" (dict "root" $root "name" "postgresql") }}, key: {{ upper $root.Chart.Name }}_DB_PASSWORD}}
- name: {{ $prefix }}DATABASE_URL
  value: postgres://{{ $name }}:$({{ $prefix }}DATABASE_PASSWORD)@{{ include "dompet.fullname" (dict "root" $root "name" "postgresql") }}:5432/{{ $name }}
{{- else if not $secret }}
{{- fail (printf "%s.database.existingSecret is empty. Make a Secret with the service's DATABASE_URL and name it there, or use values-dev.yaml for development." $root.Chart.Name) }}
{{- else }}
{{- include "dompet.refuseOwnSecret" (dict "root" $root "field" (printf "%s.database.existingSecret" $root.Chart.Name) "secret" $secret) -}}
{{- if $global.cloudnativepg.enabled }}
- name: {{ $prefix }}DATABASE_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: password}}
- name: {{ $prefix }}DATABASE_URL
  value: postgres://{{ $name }}:$({{ $prefix }}DATABASE_PASSWORD)@{{ include "dompet.fullname" (dict "root" $root "name" "db") }}-{{ ternary "pooler" "rw" $global.cloudnativepg.pooler.enabled }}:5432/{{ $name }}?sslmode=verify-full
{{- else }}
- name: {{ $prefix }}DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ $root.Values.database.key }}}}
{{- end }}
{{- end }}
{{- end -}}

{{/* What a service is told of its database. */}}
{{- define "dompet.databaseEnv" -}}
{{- include "dompet.databaseUrlEnv" (dict "root" .) }}
{{- include "dompet.databaseCaEnv" . }}
# A schema named as in the local mode, so that `dompet verify` can audit this database too.
- name: DATABASE_SCHEMA
  value: {{ .Chart.Name }}
- name: DATABASE_CONNECTIONS
  value: {{ .Values.database.connections | quote }}
{{- end -}}

{{/* The Secret with the certificate authority of the databases and its key, as JSON; nothing without one. */}}
{{- define "dompet.databaseCa" -}}
{{- $global := .Values.global -}}
{{- if $global.database.caSecret.name -}}
{{ $global.database.caSecret | toJson }}
{{- else if and $global.cloudnativepg.enabled (not $global.postgresql.enabled) -}}
{{ dict "name" (printf "%s-ca" (include "dompet.fullname" (dict "root" . "name" "db"))) "key" "ca.crt" | toJson }}
{{- end -}}
{{- end -}}

{{- define "dompet.databaseCaEnv" -}}
{{- if include "dompet.databaseCa" . }}
# What a URL says of both wins over these.
- {name: PGSSLROOTCERT, value: /etc/dompet/database-ca/ca.crt}
- {name: PGSSLMODE, value: verify-full}
{{- end }}
{{- end -}}

{{- define "dompet.databaseCaMount" -}}
{{- if include "dompet.databaseCa" . }}
- {name: database-ca, mountPath: /etc/dompet/database-ca, readOnly: true}
{{- end }}
{{- end -}}

{{- define "dompet.databaseCaVolume" -}}
{{- with include "dompet.databaseCa" . }}
{{- $ca := fromJson . }}
# The certificate only: the operator keeps the authority's private key in the same Secret.
- name: database-ca
  secret: {secretName: {{ $ca.name }}, items: [{key: {{ $ca.key }}, path: ca.crt}]}
{{- end }}
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
- ports:
    {{- range .Values.global.networkPolicy.dnsPorts }}
    - {port: {{ . }}, protocol: UDP}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
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
