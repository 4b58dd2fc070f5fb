{{/* How many: by CPU (HorizontalPodAutoscaler), or by the queue of a model (KEDA). Takes the same as olo.workload. */}}
{{- define "olo.scaling" -}}
{{- $scaling := .workload.autoscaling -}}
{{- if $scaling.keda }}
{{- include "olo.scaling.keda" . }}
{{- else }}
{{- if eq (int $scaling.minReplicas) 0 }}{{ fail (printf "%s: autoscaling.minReplicas of 0 needs autoscaling.keda" .name) }}{{ end }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- .labels | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ .name }}}
  minReplicas: {{ $scaling.minReplicas }}
  maxReplicas: {{ $scaling.maxReplicas }}
  metrics:
    - type: Resource
      resource: {name: cpu, target: {type: Utilization, averageUtilization: {{ $scaling.cpuPercent }}}}
  behavior:
    # Slowly down: what was started takes a while to be of use.
    scaleDown: {stabilizationWindowSeconds: 300, policies: [{type: Pods, value: 1, periodSeconds: 60}]}
{{- end }}
{{- end }}

{{/* A run that waits for a model which nobody serves is parked in a timer: its queue is empty. What shows it is that the
     router is asked for the model in vain, again and again, so that waking from zero needs a Prometheus. */}}
{{- define "olo.scaling.keda" -}}
{{- $root := .root }}{{ $scaling := .workload.autoscaling }}{{ $global := $root.Values.global }}{{ $model := .model -}}
{{- $id := $model.id | default $model.name }}{{ $prometheus := $global.keda.prometheus -}}
{{- if and (eq (int $scaling.minReplicas) 0) (not $prometheus) }}
{{- fail (printf "models: %s may go to zero (autoscaling.minReplicas), but nothing would wake it: set global.keda.prometheus to the address of a Prometheus" $model.name) }}
{{- end }}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ .name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- .labels | nindent 4 }}
spec:
  scaleTargetRef: {name: {{ .name }}}
  minReplicaCount: {{ $scaling.minReplicas }}
  maxReplicaCount: {{ $scaling.maxReplicas }}
  pollingInterval: {{ $scaling.pollingSeconds }}
  cooldownPeriod: {{ $scaling.idleSeconds }}
  triggers:
    - type: temporal
      metadata:
        endpoint: {{ include "olo.temporal.address" $root }}
        namespace: {{ $global.temporal.namespace }}
        taskQueue: {{ printf "%s.%s" .facts.queue $id }}
        queueTypes: activity
        targetQueueSize: {{ $scaling.queueLength | quote }}
        activationTargetQueueSize: "0"
        {{- if and $global.temporal.tls $global.secrets.TEMPORAL_API_KEY }}
        enableTLS: "true"
        {{- end }}
      {{- if $global.keda.temporalAuthentication }}
      authenticationRef: {name: {{ $global.keda.temporalAuthentication }}}
      {{- end }}
    {{- with $prometheus }}
    # Busy: not to be put to sleep over an answer. The thresholds keep both from adding instances.
    - type: prometheus
      metadata:
        serverAddress: {{ . }}
        query: {{ printf "max(olo_model_slots_in_use{model=%q}) or vector(0)" $id | squote }}
        threshold: "100000"
        activationThreshold: "0"
    # Wanted: asked for while no instance was there{{ if $model.default }}, or any model was{{ end }}.
    - type: prometheus
      metadata:
        serverAddress: {{ . }}
        query: {{ printf "sum(increase(olo_route_unserved_total{model=~%q}[3m])) or vector(0)" (ternary (printf "%s|" (regexQuoteMeta $id)) (regexQuoteMeta $id) (eq true $model.default)) | squote }}
        threshold: "100000"
        activationThreshold: "0"
    {{- end }}
{{- end }}
