{{/* Who may talk to a service, and to whom it may talk: nobody and to nobody but those named here. Takes (root, facts). */}}
{{- define "olo.networkpolicy" -}}
{{- $root := index . 0 }}{{ $facts := index . 1 }}{{ $values := $root.Values }}{{ $global := $values.global }}{{ $network := $global.networkPolicy -}}
{{- if $network.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "olo.name" (list $root $facts.service) }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "olo.labels" (list $root $facts.service) | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "olo.selector" (list $root $facts.service) | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- if eq $facts.service "gateway" }}
    - from: {{ toJson $network.callers }}
      ports: [{port: {{ $facts.ports.grpc }}}, {port: {{ $facts.ports.http }}}]
    # Of `helm test`.
    - from:
        {{- include "olo.networkpolicy.peer" (list $root "test") | nindent 8 }}
      ports: [{port: {{ $facts.ports.grpc }}}]
    {{- end }}
    {{- with $facts.callers }}
    - from:
        {{- range . }}
        {{- include "olo.networkpolicy.peer" (list $root .) | nindent 8 }}
        {{- end }}
      ports: [{port: {{ $facts.ports.grpc }}}]
    {{- end }}
    - from: {{ toJson $network.scrapers }}
      ports: [{port: {{ $facts.ports.metrics }}}]
    {{- with $values.networkPolicy.ingress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  egress:
    - to: {{ toJson $network.dns }}
      ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
    {{- range $service, $port := $facts.calls }}
    - to:
        {{- include "olo.networkpolicy.peer" (list $root $service) | nindent 8 }}
      ports: [{port: {{ $port }}}]
    {{- end }}
    {{- include "olo.networkpolicy.server" (list $root "temporal" (include "olo.port" (list (include "olo.temporal.address" $root) 7233))) | trim | nindent 4 }}
    {{- $nats := $global.nats.url }}
    {{- if not (hasKey $global.secrets "OLO_NATS_URL") }}{{ $nats = include "olo.nats.url" $root }}{{ end }}
    {{- include "olo.networkpolicy.server" (list $root "nats" (include "olo.port" (list $nats 4222))) | trim | nindent 4 }}
    {{- with $global.telemetry.endpoint }}
    - to: {{ toJson $network.telemetry }}
      ports: [{port: {{ include "olo.port" (list . 4317) }}}]
    {{- end }}
    {{- if and $facts.database $values.database.existingSecret }}
    - to: {{ toJson $network.database }}
      ports: [{port: {{ $values.database.port }}}]
    {{- end }}
    {{- if eq $facts.service "retrieval" }}
    {{- $vectors := include "olo.vectors" $root }}
    {{- if hasPrefix "grpc" $vectors }}
    {{- include "olo.networkpolicy.server" (list $root "qdrant" (include "olo.port" (list $vectors 6334))) | trim | nindent 4 }}
    {{- end }}
    {{- end }}
    {{- range include "olo.networkpolicy.web" (list $root $facts) | fromYamlArray | uniq }}
    - to: {{ toJson $network.web }}
      ports: [{port: {{ . }}}]
    {{- end }}
    {{- with $values.networkPolicy.egress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- if and $facts.database $values.database.existingSecret }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "olo.name" (list $root (printf "%s-migration" $facts.service)) }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "olo.labels" (list $root $facts.service) | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "olo.selector" (list $root (printf "%s-migration" $facts.service)) | nindent 6 }}
  policyTypes: [Ingress, Egress]
  egress:
    - to: {{ toJson $network.dns }}
      ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
    - to: {{ toJson $network.database }}
      ports: [{port: {{ $values.database.port }}}]
{{- end }}
{{- end }}
{{- end }}

{{/* Ports of servers that the settings name: buckets, other servers' models, hubs, pages, benchmarks. */}}
{{- define "olo.networkpolicy.web" -}}
{{- $root := index . 0 }}{{ $facts := index . 1 }}{{ $values := $root.Values -}}
{{- if hasPrefix "s3:" (and (not $values.global.payloads.existingClaim) $values.global.payloads.store | default "") }}
- 443
{{- end }}
{{- if and (eq $facts.service "gateway") (hasPrefix "s3:" $values.files.store) }}
- 443
{{- end }}
{{- if $values.settings.OLO_BENCHMARKS_ENABLED }}
- 443
{{- end }}
{{- if $values.settings.OLO_RETRIEVAL_FETCH_URLS }}
- 443
- 80
{{- end }}
{{- if $values.settings.OLO_RETRIEVAL_SOURCE_GIT_HOSTS }}
- 443
{{- end }}
{{- range $values.models }}
{{- $url := get (mergeOverwrite (dict) $values.settings (.settings | default dict)) "OLO_LLM_WORKER_UPSTREAM_URL" }}
{{- if $url }}
- {{ include "olo.port" (list (index (splitList "/" (splitList "://" $url | last)) 0) (ternary 443 80 (hasPrefix "https" $url))) }}
{{- end }}
{{- if or .fetch (and (eq $facts.service "embed-worker") (not (hasPrefix "/" .directory))) }}
- 443
{{- end }}
{{- end }}
{{- end }}

{{/* The pods of a service, of whichever release in the namespace. Takes (root, service). */}}
{{- define "olo.networkpolicy.peer" -}}
- podSelector:
    matchLabels:
      app.kubernetes.io/name: olo-{{ index . 1 }}
      app.kubernetes.io/part-of: {{ (index . 0).Values.global.partOf }}
{{- end }}

{{/* A server that is bundled, or whose peers are named, or that is anywhere. Takes (root, server, port). */}}
{{- define "olo.networkpolicy.server" -}}
{{- $root := index . 0 }}{{ $server := index . 1 }}{{ $global := $root.Values.global -}}
{{- if get $global.bundled $server }}
- to:
    {{- include "olo.networkpolicy.peer" (list $root $server) | nindent 4 }}
  ports: [{port: {{ index . 2 }}}]
{{- else }}
- to: {{ toJson (get $global.networkPolicy $server) }}
  ports: [{port: {{ index . 2 }}}]
{{- end }}
{{- end }}
