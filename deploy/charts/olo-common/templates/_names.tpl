{{/* Names and labels. A context `.` is always the root of a service's chart; `facts` is its facts.yaml. */}}

{{- define "olo.facts" -}}
{{ .Files.Get "facts.yaml" }}
{{- end }}

{{/* The name of a service's objects: `<release>-<service>`. Takes (root, service). */}}
{{- define "olo.name" -}}
{{- $root := index . 0 }}{{ $service := index . 1 -}}
{{- if eq $root.Release.Name $service }}{{ $service }}
{{- else }}{{ printf "%s-%s" (trunc 30 $root.Release.Name | trimSuffix "-") $service }}{{ end -}}
{{- end }}

{{/* What NetworkPolicies, Services and Deployments select by. Takes (root, service). */}}
{{- define "olo.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: olo-{{ index . 1 }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
{{- end }}

{{/* All labels of an object. Takes (root, service). */}}
{{- define "olo.labels" -}}
{{- $root := index . 0 -}}
{{ include "olo.selector" . }}
app.kubernetes.io/component: {{ index . 1 }}
app.kubernetes.io/part-of: {{ $root.Values.global.partOf }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end }}

{{/* Where a service is reached. Takes (root, service). Other releases of the same namespace are named by global.targets. */}}
{{- define "olo.target" -}}
{{- $root := index . 0 }}{{ $service := index . 1 -}}
{{- $ports := dict "registry" 50052 "router" 50053 "retrieval" 50054 -}}
{{- get $root.Values.global.targets $service | default (printf "%s:%v" (include "olo.name" .) (get $ports $service)) -}}
{{- end }}

{{/* The image of a workload. Takes (root, values of the workload). */}}
{{- define "olo.image" -}}
{{- $global := (index . 0).Values.global.image }}{{ $image := (index . 1).image -}}
{{- $repository := trimPrefix "/" (printf "%s/%s" (trimSuffix "/" $global.registry) $image.repository) -}}
{{- if $image.digest }}{{ $repository }}@{{ $image.digest }}
{{- else }}{{ $repository }}:{{ $image.tag | default $global.tag | default (index . 0).Chart.AppVersion }}{{ end -}}
{{- end }}

{{- define "olo.temporal.address" -}}
{{- $global := .Values.global -}}
{{- if $global.temporal.address }}{{ $global.temporal.address }}
{{- else if $global.bundled.temporal }}{{ include "olo.name" (list . "temporal") }}:7233
{{- else }}{{ fail "global.temporal.address is missing: host and port of the Temporal frontend, such as temporal-frontend.temporal:7233; to try things out, set global.bundled.temporal=true instead" }}{{ end -}}
{{- end }}

{{- define "olo.nats.url" -}}
{{- $global := .Values.global -}}
{{- if $global.nats.url }}{{ $global.nats.url }}
{{- else if $global.bundled.nats }}nats://{{ include "olo.name" (list . "nats") }}:4222
{{- else }}{{ fail "global.nats.url is missing: such as nats://nats.nats:4222; to try things out, set global.bundled.nats=true instead" }}{{ end -}}
{{- end }}

{{/* The port at the end of an address or URL. Takes (address, port where it names none). */}}
{{- define "olo.port" -}}
{{- regexFind ":[0-9]+" (splitList "@" (index . 0) | last | replace "://" "") | trimPrefix ":" | default (index . 1 | toString) -}}
{{- end }}
