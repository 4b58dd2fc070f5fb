{{/* What the schemas cannot say, because it takes more than one value to see it. Takes (root, facts). */}}
{{- define "olo.checks" -}}
{{- $root := index . 0 }}{{ $facts := index . 1 }}{{ $values := $root.Values -}}
{{- $keys := and (eq $facts.service "gateway") $values.apiKeys.existingSecret -}}
{{- if not (or (include "olo.authenticated" .) $keys $values.global.allowInsecure) }}
{{- fail (printf "the %s would serve callers whom nothing authenticates: set global.tls.existingSecret, or accept it with global.allowInsecure=true where NetworkPolicies keep others away" $facts.service) }}
{{- end }}
{{- if and $values.global.tls.callersDomain (not $values.global.tls.existingSecret) }}
{{- fail "global.tls.callersDomain says who may call by the names in certificates: set global.tls.existingSecret" }}
{{- end }}
{{- range $server, $where := dict "temporal" $values.global.temporal.address "nats" $values.global.nats.url }}
{{- if and $where (get $values.global.bundled $server) }}
{{- fail (printf "global.bundled.%s brings a server along, and global.%s names another one: choose" $server $server) }}
{{- end }}
{{- end }}
{{- if $facts.database }}
{{- $scaled := or (gt (int $values.replicas) 1) (and (hasKey $values "autoscaling") $values.autoscaling.enabled) }}
{{- if and $scaled (not $values.database.existingSecret) }}
{{- fail (printf "more than one %s needs Postgres: set database.existingSecret" $facts.service) }}
{{- end }}
{{- if and $scaled (eq $facts.service "retrieval") (not (hasPrefix "grpc" (include "olo.vectors" $root))) }}
{{- fail "more than one retrieval needs a Qdrant server: set vectorStore to grpc://<host>:6334" }}
{{- end }}
{{- end }}
{{- end }}

{{/* Whether callers of a service have to show a certificate. Takes (root, facts). */}}
{{- define "olo.authenticated" -}}
{{- $values := (index . 0).Values -}}
{{- if and $values.global.tls.existingSecret (or (not (hasKey $values "tls")) $values.tls.clientCertificates) }}yes{{ end -}}
{{- end }}

{{/* The vector store of retrieval: named, bundled, or on its own disk. */}}
{{- define "olo.vectors" -}}
{{- if .Values.vectorStore }}{{ .Values.vectorStore }}
{{- else if .Values.global.bundled.qdrant }}grpc://{{ include "olo.name" (list . "qdrant") }}:6334
{{- else }}edge:/data/vectors{{ end -}}
{{- end }}
