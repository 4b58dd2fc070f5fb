{{/* The variables of a workload: what follows from the chart, then `global.settings` and `settings`, then secrets.
     Takes a dict: root, facts, workload (its values), model (of a model worker; else nothing). */}}
{{- define "olo.environment" -}}
{{- $root := .root }}{{ $facts := .facts }}{{ $workload := .workload }}{{ $global := $root.Values.global -}}
{{- $prefix := $facts.prefix -}}
{{- $plain := dict
      (printf "%sHOST" $prefix) "0.0.0.0"
      (printf "%sPORT" $prefix) (toString $facts.ports.grpc)
      (printf "%sMETRICS_PORT" $prefix) (toString $facts.ports.metrics)
      (printf "%sDRAIN_SECONDS" $prefix) (toString $workload.drainSeconds)
      (printf "%sGRACE_SECONDS" $prefix) (toString $workload.graceSeconds)
      "TEMPORAL_ADDRESS" (include "olo.temporal.address" $root)
      "TEMPORAL_NAMESPACE" $global.temporal.namespace
      "OLO_ALLOW_INSECURE" (toString (not (include "olo.authenticated" (list $root $facts)))) -}}
{{- if not (hasKey $global.secrets "OLO_NATS_URL") }}{{ $_ := set $plain "OLO_NATS_URL" (include "olo.nats.url" $root) }}{{ end -}}
{{- if $global.temporal.tls }}{{ $_ := set $plain "TEMPORAL_TLS" "true" }}{{ end -}}
{{- with $global.telemetry.endpoint }}{{ $_ := set $plain "OTEL_EXPORTER_OTLP_ENDPOINT" . }}{{ end -}}
{{- if $global.payloads.existingClaim }}{{ $_ := set $plain "OLO_PAYLOAD_STORE" "/payloads" }}
{{- else if $global.payloads.store }}{{ $_ := set $plain "OLO_PAYLOAD_STORE" $global.payloads.store }}{{ end -}}
{{- if $global.payloads.keys.existingSecret }}{{ $_ := set $plain "OLO_PAYLOAD_KEYS_FILE" (printf "/etc/olo/payload-keys/%s" $global.payloads.keys.key) }}{{ end -}}
{{- range $variable, $service := $facts.targets }}{{ $_ := set $plain $variable (include "olo.target" (list $root $service)) }}{{ end -}}
{{- $plain = mergeOverwrite $plain (include "olo.environment.tls" . | fromYaml) -}}
{{- if eq $facts.service "gateway" }}{{ $plain = mergeOverwrite $plain (include "olo.environment.gateway" $root | fromYaml) }}{{ end -}}
{{- if $facts.database }}{{ $plain = mergeOverwrite $plain (include "olo.environment.database" . | fromYaml) }}{{ end -}}
{{- if .model }}{{ $plain = mergeOverwrite $plain (include "olo.environment.model" . | fromYaml) }}{{ end -}}
{{- if .model -}}
{{/* Workers tell the others where they are: before all else, since Kubernetes expands what stands above alone. */}}
- name: POD_IP
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
- name: {{ $prefix }}ADVERTISED_ADDRESS
  value: "$(POD_IP):{{ $facts.ports.grpc }}"
{{ end -}}
{{- $plain = mergeOverwrite $plain (deepCopy $global.settings) (deepCopy $workload.settings) -}}
{{- range $name, $value := $plain }}
- name: {{ $name }}
  value: {{ include "olo.text" $value | quote }}
{{- end }}
{{- $secrets := mergeOverwrite (dict) (deepCopy $global.secrets) (deepCopy $workload.secrets) -}}
{{- if and $facts.database $root.Values.database.existingSecret -}}
{{- $_ := set $secrets (printf "%sDATABASE_URL" $prefix) (dict "name" $root.Values.database.existingSecret "key" $root.Values.database.key) -}}
{{- end -}}
{{- range $name, $from := $secrets }}
- name: {{ $name }}
  valueFrom: {secretKeyRef: {name: {{ $from.name }}, key: {{ $from.key }}}}
{{- end }}
{{- with $workload.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Numbers from YAML are floats to templates: 1000000 must not become 1e+06. */}}
{{- define "olo.text" -}}
{{- if kindIs "float64" . }}{{ if eq (floor .) . }}{{ printf "%.0f" . }}{{ else }}{{ . }}{{ end }}
{{- else if or (kindIs "map" .) (kindIs "slice" .) }}{{ toJson . }}
{{- else }}{{ . }}{{ end -}}
{{- end }}

{{- define "olo.environment.tls" -}}
{{- if .root.Values.global.tls.existingSecret -}}
OLO_TLS_CERT_FILE: /etc/olo/tls/tls.crt
OLO_TLS_KEY_FILE: /etc/olo/tls/tls.key
OLO_TLS_CA_FILE: /etc/olo/tls/ca.crt
OLO_TLS_CLIENT_CERT_FILE: /etc/olo/tls/tls.crt
OLO_TLS_CLIENT_KEY_FILE: /etc/olo/tls/tls.key
{{- if include "olo.authenticated" (list .root .facts) }}
OLO_TLS_CLIENT_CA_FILE: /etc/olo/tls/ca.crt
{{- end }}
{{- with .root.Values.global.tls.serverName }}
OLO_TLS_SERVER_NAME: {{ . }}
{{- end }}
{{- $domain := .root.Values.global.tls.callersDomain }}
{{- if and $domain .facts.callers }}
{{- $names := list }}
{{- range .facts.callers }}{{ $names = append $names (printf "%s.%s" . $domain) }}{{ end }}
OLO_TLS_ALLOWED_CALLERS: {{ join "," $names }}
{{- end }}
{{- end }}
{{- end }}

{{- define "olo.environment.gateway" -}}
{{- $values := .Values -}}
OLO_GATEWAY_HTTP_PORT: "8080"
{{- if $values.apiKeys.existingSecret }}
OLO_GATEWAY_API_KEYS_FILE: /etc/olo/keys/{{ $values.apiKeys.key }}
OLO_ALLOW_INSECURE: "false"
{{- end }}
{{- if $values.files.existingClaim }}
OLO_GATEWAY_FILES: /files
{{- else if $values.files.store }}
OLO_GATEWAY_FILES: {{ $values.files.store }}
{{- end }}
{{- end }}

{{- define "olo.environment.database" -}}
{{- if not .root.Values.database.existingSecret -}}
{{ .facts.prefix }}DATABASE_URL: sqlite:////data/{{ .facts.service }}.db
{{- end }}
{{- if eq .facts.service "retrieval" }}
OLO_RETRIEVAL_VECTOR_STORE: {{ include "olo.vectors" .root }}
OLO_RETRIEVAL_SOURCE_CACHE: /data/sources
{{- end }}
{{- end }}

{{- define "olo.environment.model" -}}
{{- $prefix := .facts.prefix }}{{ $model := .model -}}
{{ $prefix }}MODEL_ID: {{ $model.id | default $model.name | quote }}
{{- if kindIs "float64" $model.priority }}
{{ $prefix }}PRIORITY: {{ include "olo.text" $model.priority | quote }}
{{- end }}
{{- if $model.default }}
{{ $prefix }}DEFAULT_FLAG: "true"
{{- end }}
{{- with $model.directory }}
{{ $prefix }}{{ ternary "MODEL_DIRECTORY" "MODEL" (eq $prefix "OLO_LLM_WORKER_") }}: {{ . | quote }}
{{- end }}
{{- if and $model.gpu (eq $prefix "OLO_LLM_WORKER_") }}
OLO_LLM_WORKER_DEVICE: cuda
{{- end }}
{{- if eq $prefix "OLO_EMBED_WORKER_" }}
OLO_EMBED_WORKER_CACHE_DIR: /models/.cache
{{- end }}
{{- end }}
